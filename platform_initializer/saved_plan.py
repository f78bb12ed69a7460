"""A plan kept in a file: what a person approved, and what was true of the machines then.

It is carried out only while both are as they were; the steps themselves are planned anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.errors import ConfigError, Permanent
from platform_initializer.domain.choosing import differences
from platform_initializer.domain.facts import Facts
from platform_initializer.domain.steps import Step
from platform_initializer.secret_store import write_private

FORM = "rota-plan-1"


class PlanChangedError(Permanent):
    """The machines or the file are no longer as they were when the plan was made."""

    def __init__(self, made_at: str, changed: Sequence[str]) -> None:
        super().__init__(f"the plan of {made_at} is out of date")
        self.changed = tuple(changed)


@dataclass(frozen=True)
class SavedPlan:
    """`steps` by machine and key, `facts` by machine and name, as text to compare."""

    platform: str
    made_at: str
    steps: Mapping[str, Mapping[str, str]]
    facts: Mapping[str, Mapping[str, str]]

    def require_same(self, facts: Mapping[str, Facts], steps: Sequence[Step]) -> None:
        """Raise `PlanChangedError` telling what is no longer as it was."""
        changed = differences(self.facts, {name: signature(known) for name, known in facts.items()})
        changed = changed or differences(self.steps, _by_machine(steps, facts))
        if changed:
            raise PlanChangedError(self.made_at, changed)


def make_plan(
    platform: str, now: datetime, facts: Mapping[str, Facts], steps: Sequence[Step]
) -> SavedPlan:
    """Take down a plan and what it was made from."""
    known = {name: signature(one) for name, one in facts.items()}
    return SavedPlan(platform, now.isoformat(timespec="seconds"), _by_machine(steps, facts), known)


def save_plan(plan: SavedPlan, path: Path) -> None:
    """Write it for its owner alone."""
    whole = {"form": FORM, **vars(plan)}
    write_private(path, json.dumps(whole, indent=2) + "\n")


def load_plan(path: Path, platform: str) -> SavedPlan:
    """Read one back; raise `ConfigError` for another file or another platform's plan."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        if whole.pop("form", None) != FORM:
            raise ConfigError(f"{path} is not a plan that `rota platform plan` saved")
        plan = SavedPlan(**whole)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a plan that `rota platform plan` saved") from error
    if plan.platform != platform:
        raise ConfigError(f"{path} is a plan of platform {plan.platform}, not of {platform}")
    return plan


def signature(facts: Facts) -> dict[str, str]:
    """Return what steps are decided by, each under a name a person knows; no clock, no load."""
    seen = {
        "docker": facts.docker, "machine-id": facts.machine_id, "cgroup": facts.cgroup,
        "folders": f"{facts.has_sampler} {facts.has_folders}", "images": _digest(facts.images),
        "image names": _digest(facts.tags.items()),
    }  # fmt: skip
    seen |= {path: f"{one.sha256} {one.mode} {one.uid}" for path, one in facts.files.items()}
    seen |= {f"stamp {name}": value for name, value in facts.stamps.items()}
    seen |= {f"container {service}": f"{one.spec_hash} {one.state} {one.image_id}"
             for service, one in facts.containers.items()}  # fmt: skip
    return seen


def _by_machine(steps: Sequence[Step], machines: Iterable[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {name: {} for name in machines}
    for step in steps:
        told = f"{step.title} | {step.reason} | {step.risk.value}"
        found.setdefault(step.machine, {})[f"step {step.key}"] = told
    return found


def _digest(items: Iterable[object]) -> str:
    return hashlib.sha256(repr(sorted(map(str, items))).encode()).hexdigest()[:16]
