"""Which steps of a plan a person asked for, and in what order machines follow each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from common.errors import Permanent
from platform_initializer.domain.steps import CLEANING, Phase, Step

_PREPARING = frozenset({Phase.DOCKER, Phase.FILES, Phase.IMAGES, Phase.STORES, Phase.SETUP})
_GROUNDS = frozenset({Phase.STORES, Phase.SETUP})


class LimitError(Permanent):
    """The machines asked for cannot be worked on without another one."""


def limited(steps: Sequence[Step], machines: Sequence[str], known: Sequence[str]) -> list[Step]:
    """Return the steps on these machines (none named: all); raise `LimitError`.

    Refused is what would start before the ground it stands on: a store, its databases and topics,
    or the leaving of a machine where the same service still runs.
    """
    if unknown := [name for name in machines if name not in known]:
        raise LimitError(f"the file names no machine {', '.join(unknown)}: {', '.join(known)}")
    if not machines:
        return list(steps)
    others = {step.key: step for step in steps if step.machine not in machines}
    chosen = [step for step in steps if step.machine in machines]
    for step in chosen:
        for key in sorted(step.after & others.keys()):
            other = others[key]
            if other.phase in _GROUNDS or key.startswith("remove:"):
                raise LimitError(
                    f"{step.machine}: {step.title} needs {other.machine}: {other.title} first;"
                    f" name {other.machine} too"
                )
    return chosen


def one_machine_at_a_time(
    steps: Sequence[Step], gates: Sequence[Step], order: Sequence[str]
) -> list[Step]:
    """Let each machine's services wait until the machine before is ready again.

    What prepares (files, images, stores, databases) runs everywhere at once. A machine that does
    not get ready keeps all later ones as they are.
    """
    grounds = frozenset(step.key for step in steps if _prepares(step))
    replaced = {step.key for step in steps} - grounds
    gate_of = {gate.machine: gate for gate in gates}
    before: frozenset[str] = frozenset()
    ordered = [step for step in steps if _prepares(step)]
    for machine in order:
        own = [step for step in steps if step.machine == machine and not _prepares(step)]
        ordered += [replace(step, after=_kept(step, replaced) | grounds | before) for step in own]
        waits = frozenset(step.key for step in own) | grounds | before
        ordered.append(replace(gate_of[machine], after=waits))
        before = frozenset({gate_of[machine].key})
    return ordered


def differences(
    was: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Tell in words what is no longer as it was, machine by machine."""
    told = []
    for machine in sorted({*was, *now}):
        old, new = was.get(machine), now.get(machine)
        if old is None or new is None:
            told.append(f"{machine} {'came' if old is None else 'went'}")
            continue
        told += [
            f"{machine}: {key} {_verb(old.get(key), new.get(key))}"
            for key in sorted({*old, *new})
            if old.get(key) != new.get(key)
        ]
    return told


def _kept(step: Step, replaced: AbstractSet[str]) -> frozenset[str]:
    """Return what a step goes on waiting for; who cleans up waits for the replacement itself."""
    return step.after if step.key.startswith(CLEANING) else step.after - replaced


def _prepares(step: Step) -> bool:
    return step.phase in _PREPARING or step.key.startswith("remove:")


def _verb(old: str | None, new: str | None) -> str:
    if old is None:
        return "came"
    return "went" if new is None else "changed"
