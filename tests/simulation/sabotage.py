"""Breaking the platform on purpose: the proof that the simulation and its checker would tell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from common.db.memory import MemoryDatabase
from common.db.queries import parse_queries
from node_manager.client.engine import NameTakenError
from tests.simulation.platform import Platform

AT_S = 45.0
QUERIES = parse_queries("""
-- name: lose_row
DELETE FROM jobs WHERE job_id IN (SELECT job_id FROM (SELECT MIN(job_id) AS job_id FROM jobs) AS one);

-- name: resurrect
UPDATE jobs SET state = 'RUNNING' WHERE state = 'SUCCEEDED';
""")


def swallow_signals(platform: Platform) -> None:
    """Docker says that it has sent a signal, and has not."""
    for machine in platform.machines:
        machine.engine.signal = lambda *_: None  # type: ignore[method-assign]


def run_twice(platform: Platform) -> None:
    """A machine starts what another one runs."""

    def act() -> None:
        first, second, *_ = platform.machines
        for name in first.engine.running():
            plan = first.engine._containers[name].plan
            with suppress(NameTakenError):  # created ahead there, for nothing
                second.engine.create(replace(plan))
            second.engine.start(name)

    for delay in (16.0, AT_S, 50.0):
        platform.world.later(delay, act)


def lose_a_row(platform: Platform) -> None:
    platform.world.later(AT_S, lambda: _say(platform, "lose_row"))


def resurrect(platform: Platform) -> None:
    platform.world.later(58.0, lambda: _say(platform, "resurrect"))


def _say(platform: Platform, query: str) -> None:
    door = MemoryDatabase(platform.backbone.database.server, "rota_scheduler", QUERIES)
    with door.transaction() as transaction:
        transaction.execute(query)


SABOTAGE: dict[str, tuple[Callable[[Platform], None], str]] = {
    "swallow signals": (swallow_signals, "P1"),
    "run twice": (run_twice, "P2"),
    "lose a row": (lose_a_row, "P1"),
    "resurrect": (resurrect, "P9"),
}
