"""Calendar links: secrets that show due times to come and nothing else. Pure.

What a link shows is written in its secret, and the stored hash covers it: whoever has the link of
one instance cannot make it that of another, and no column is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from common.schedule import InstanceSpec

CALENDAR = "calendar"  # stands where other tokens have a role; it is none
AHEAD = timedelta(days=30)
MOST_EVENTS = 1_000
LONGEST_LINK = 200  # characters


@dataclass(frozen=True)
class Shown:
    """What a link shows: one instance, the instances of one application, or (neither) all."""

    instance: str | None = None
    application: str | None = None

    def secret_of(self, random: str) -> str:
        """Write the link's secret; `random` has no dot."""
        if self.instance is not None:
            return f"instance.{self.instance}.{random}"
        if self.application is not None:
            return f"application.{self.application}.{random}"
        return f"all.{random}"

    def choose(self, specs: Iterable[InstanceSpec]) -> list[InstanceSpec]:
        """Return those that are shown."""
        return [
            spec for spec in specs
            if self.instance in (None, spec.id) and self.application in (None, spec.app)
        ]  # fmt: skip


def shown_words(role: str, made: Mapping[str, Any]) -> str | None:
    """Say what a link shows, from what it was made with; None of a token that is none."""
    if role != CALENDAR:
        return None
    kinds = [f"{kind} {made[kind]}" for kind in ("instance", "application") if made.get(kind)]
    return kinds[0] if kinds else "all instances"


def shown_of(secret: str) -> Shown:
    """Read what a secret shows; only of one whose hash is known."""
    kind, _, rest = secret.partition(".")
    name = rest.rpartition(".")[0]
    if kind == "instance":
        return Shown(instance=name)
    return Shown(application=name) if kind == "application" else Shown()
