"""Broken-off transactions and commits in doubt, brought about by the memory database's hook."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.db import DatabaseUnavailableError
from common.db.memory import DatabaseCall
from scheduler.service import Scheduler
from tests.service.scheduler.test_firing import EVERY_10, instance
from tests.support.scheduler_world import NOON, World


def test_a_take_over_that_was_broken_off_is_made_up_for(world: World) -> None:
    world.apply(instance())
    successor = world.start()
    hits = iter([True])

    def break_off(call: DatabaseCall) -> None:
        if call.query == "live_stops" and next(hits, False):
            raise DatabaseUnavailableError

    world.database.hook = break_off
    taker = Scheduler(world.database, world.bus.producer(), world.clock, "one")
    with pytest.raises(DatabaseUnavailableError):
        taker.hold_shards()
    successor.scheduler = taker
    successor.pass_time(11)
    assert [job["due"] for job in world.jobs()] == [NOON + timedelta(seconds=10)]


def test_an_instance_whose_commit_was_in_doubt_is_due_all_the_same(world: World) -> None:
    world.tick()  # the horizon is loaded: only planning brings in what is new
    written: list[str] = []

    def leave_in_doubt(call: DatabaseCall) -> None:
        written.append(call.query or call.step)
        if call.step == "committed" and "insert_schedules" in written:
            written.clear()
            raise DatabaseUnavailableError

    world.database.hook = leave_in_doubt
    with pytest.raises(DatabaseUnavailableError):
        world.apply(EVERY_10)
    world.intake.scan()  # sees nothing new any more
    world.pass_time(11)
    assert [job["due"] for job in world.jobs()] == [NOON + timedelta(seconds=10)]
