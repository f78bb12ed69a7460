"""All schedulers are away for a while, in which people edit, pause and resume: nothing is guessed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from tests.checker.history import History
from tests.simulation.actions import Action, edited
from tests.simulation.scenario import AWAY, Scenario, an_instance, make_scenario
from tests.simulation.wanted import Wanted, at
from tests.simulation.world import Chaos

ACTIVE_S = 90
NEW = timedelta(seconds=12)
"""What is due so shortly before a scheduler is back may start before it has looked around."""


def away_scenario(seed: int) -> Scenario:
    """Spell a seed out: its instances, and what people do to them meanwhile; nothing else fails."""
    rng = random.Random(f"away {seed}")
    calm = make_scenario(seed)
    begin, length = rng.uniform(15, 30), rng.choice((30.0, 45.0))
    actions = tuple(_actions(rng, calm.wanted, (begin, begin + length)))
    return replace(
        calm, chaos=Chaos(), faults=((begin, AWAY, length),), kills=(), actions=actions,
        calm_from=ACTIVE_S,
    )  # fmt: skip


def unheeded(history: History, scenario: Scenario) -> Iterator[str]:
    """Tell what ran, or was missed, of a pause that no scheduler saw begin or end."""
    [(begin, _, length)] = scenario.faults
    first, last = at(begin), at(begin + length) - NEW
    for row in history.rows:
        if row.is_manual or not first < row.due <= (row.until or row.due) <= last:
            continue
        spans = [one for one in history.paused if one.instance == row.instance]
        if row.reason != "paused" and any(one.since < row.due <= one.until for one in spans):
            yield f"P13 {row.job_id} is {row.state} ({row.reason}), and was paused"


def _actions(
    rng: random.Random, wanted: tuple[Wanted, ...], away: tuple[float, float]
) -> Iterator[Action]:
    edits = 0
    for one in wanted:
        for second in sorted(rng.uniform(away[0] - 4, away[1]) for _ in range(rng.choice((0, 2, 4)))):
            if one.parent is None and rng.random() < 0.4:
                edits += 1
                fresh = edited(an_instance(rng, one.spec.id, ACTIVE_S), one, edits)
                yield Action(second, "edit", one.spec.id, fresh)
            else:
                length = rng.choice((2.0, 6.0, 15.0, 60.0))
                yield Action(second, "pause", one.spec.id, length=length)
