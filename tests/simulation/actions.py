"""What people do during a seed: edits, pauses, deletes, runs by hand, skips, retries, backfills."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from tests.simulation.wanted import Wanted

EDIT_KEY = "SIM_EDIT"
KINDS = ("edit", "edit", "pause", "delete", "run", "run", "skip", "skip", "retry", "retry",
         "backfill")  # fmt: skip
FIRST_S, MOST_OF_S = 14.0, 0.9
PAUSES_S = (4.0, 15.0, 40.0)
EDITED_AGAIN, AGAIN_S = 0.5, (0.1, 12.0)
"""An edit is often followed by another, perhaps before any scheduler has looked."""

SECOND_EDITS = 100


@dataclass(frozen=True)
class Action:
    """Something a person does at a second, to an instance; `edited` is what an edit makes of it.

    `length` is a pause's; `is_forced` goes with runs and retries.
    """

    second: float
    kind: str
    instance: str
    edited: Wanted | None = None
    length: float = 0.0
    is_forced: bool = False


def variant_of(one: Wanted) -> int:
    """Tell which edit a spec is; 0 is the first version."""
    return int(one.spec.env.get(EDIT_KEY, 0))


def make_actions(
    seed: int, wanted: Sequence[Wanted], active_s: int,
    make: Callable[[random.Random, str, int], Wanted],
) -> Iterator[Action]:
    """Spell out what people do in a seed; in two of five they do nothing.

    Only a parent's own schedule is edited, and it stays one job a due time: when a child is due
    follows from that.
    """
    rng, twice = random.Random(f"actions {seed}"), random.Random(f"twice {seed}")
    roots = [one for one in wanted if one.parent is None]
    edits = 0
    for _ in range(rng.choice((0, 0, 2, 4, 8))):
        kind, target = rng.choice(KINDS), rng.choice(wanted)
        if kind in {"edit", "delete", "backfill", "skip"}:
            target = rng.choice(roots)
        changed = None
        if kind == "edit":
            edits += 1
            changed = edited(make(rng, target.spec.id, active_s), target, edits)
        action = Action(
            rng.uniform(FIRST_S, active_s * MOST_OF_S), kind, target.spec.id, changed,
            rng.choice(PAUSES_S), is_forced=rng.random() < 0.3,
        )  # fmt: skip
        yield action
        if changed is not None and twice.random() < EDITED_AGAIN:
            again = edited(make(twice, target.spec.id, active_s), target, SECOND_EDITS + edits)
            yield replace(action, second=action.second + twice.uniform(*AGAIN_S), edited=again)


def edited(fresh: Wanted, target: Wanted, number: int) -> Wanted:
    """Return an edit's version of an instance: how many jobs a due time has, it keeps."""
    machine = fresh.spec.machine if target.spec.instances == 1 else "shared"
    spec = msgspec.structs.replace(
        fresh.spec, env={EDIT_KEY: str(number)}, instances=target.spec.instances, machine=machine
    )
    return replace(fresh, spec=spec)
