"""What ran before: one entry each time `up` changed something, kept beside the secret store.

Only the services' image goes back with `rollback`; data stores are never downgraded, and the
platform's file stays the operator's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from common.errors import ConfigError, Permanent
from platform_initializer.secret_store import write_private

KEPT = 20


class NoRevisionError(Permanent):
    """There is no such revision to go back to."""


@dataclass(frozen=True)
class Revision:
    """One state that was reached: when, and the ids of the images that ran."""

    number: int
    at: str
    images: Mapping[str, str]
    changes: int


class Revisions:
    """The list of them, oldest first. Owned by one thread."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name("revisions.json")

    def all(self) -> list[Revision]:
        """Return those that are kept."""
        if not self._path.exists():
            return []
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
            return [Revision(**entry) for entry in entries]
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{self._path} is not what this tool wrote: {error}") from error

    def add(self, at: datetime, images: Mapping[str, str], changes: int) -> Revision:
        """Remember a state that was reached."""
        known = self.all()
        number = known[-1].number + 1 if known else 1
        made = Revision(number, at.isoformat(timespec="seconds"), dict(images), changes)
        entries = [asdict(one) for one in [*known, made][-KEPT:]]
        write_private(self._path, json.dumps(entries, indent=2) + "\n")
        return made

    def target(self, number: int | None) -> Revision:
        """Return the one to go back to: the numbered, or the last that had another image.

        Raises `NoRevisionError`.
        """
        known = self.all()
        if number is not None:
            known = [one for one in known if one.number == number]
        elif known:
            now = known[-1].images
            known = [one for one in known if one.images != now]
        if not known:
            wanted = "no earlier one with another image" if number is None else f"no {number}"
            raise NoRevisionError(f"there is {wanted}")
        return known[-1]

    def forget(self) -> None:
        """Remove them all."""
        self._path.unlink(missing_ok=True)
