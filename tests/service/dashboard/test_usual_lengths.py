"""How long jobs usually run: of the newest rows alone, and what was known is not forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from application_manager.dashboard import curve
from application_manager.dashboard.curve import USUAL_FOR, UsualLengths
from common.db.memory import MemoryDatabase
from common.db.queries import parse_queries
from tests.service.application_manager.bench import NOON, World

_RUN = """
-- name: run
UPDATE rota_scheduler.jobs SET started_at = due, ended_at = %(ended)s WHERE job_id = %(job_id)s;
"""


def test_lengths_are_of_the_newest_rows_and_stay_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve, "USUAL_OF", 2)
    usual = UsualLengths()

    def put(job_id: str, seconds: int, minutes_ago: int) -> None:
        due = NOON - timedelta(minutes=minutes_ago)
        world.put_job(f"{job_id}.{due:%Y%m%dT%H%M%SZ}.0", "SUCCEEDED")
        database = MemoryDatabase(world.server, "rota_app", parse_queries(_RUN))
        with database.transaction() as transaction:
            transaction.execute("run", job_id=f"{job_id}.{due:%Y%m%dT%H%M%SZ}.0", ended=due + timedelta(seconds=seconds))

    def read(minutes_later: int) -> dict[str, float]:
        with world.parts.screens.transaction() as transaction:
            return usual.read(transaction, NOON + minutes_later * timedelta(minutes=1))

    put("daily", 90, minutes_ago=30)
    put("often", 500, minutes_ago=20)
    assert read(0) == {"daily": 90.0, "often": 500.0}
    put("often", 10, minutes_ago=4)
    put("often", 20, minutes_ago=3)
    put("often", 20, minutes_ago=-60)  # not yet
    assert read(1) == {"daily": 90.0, "often": 500.0}, "it is asked every five minutes"
    later = int(USUAL_FOR / timedelta(minutes=1)) + 1
    assert read(later) == {"daily": 90.0, "often": 15.0}
