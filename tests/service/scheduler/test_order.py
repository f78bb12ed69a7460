"""What comes first, and what waits: catching up, priorities, news not read yet, a doubtful clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.messages import DeploymentState as D
from tests.service.scheduler.test_firing import EVERY_10, FIRST, instance
from tests.support.scheduler_world import World


def test_catching_up_is_rationed_and_holds_up_nobody_who_is_on_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.service.CATCH_UP_A_SECOND", 10)
    world.apply("".join(instance(f"i{n}", schedule='{start: "2026-03-02T12:00:10"}')
                        for n in range(25)))  # fmt: skip
    world.apply('  - {id: a, schedule: {start: "2026-03-02T12:10"}}\n')
    world.clock.advance(timedelta(minutes=10))
    again = world.start()
    again.scheduler.tick()
    started = [start.instance_id for start in again.commands()]
    assert "a" in started
    assert len(started) == 11
    again.clock.advance(timedelta(seconds=1))
    again.tick()
    assert len(again.commands()) == 21


def test_what_is_due_together_starts_by_priority(world: World) -> None:
    world.apply(instance("low", priority="1") + instance("mid") + instance("top", priority="90"))
    sent: list[str] = []
    add = world.scheduler.outbox.add
    world.scheduler.outbox.add = lambda commands: add(  # type: ignore[method-assign]
        [sent.append(c.job_id.partition(".")[0]) or c for c in commands]  # type: ignore[func-returns-value]
    )
    world.pass_time(11)
    assert sent == ["top", "mid", "low"]


def test_an_edge_on_started_is_satisfied_by_the_parents_start(world: World) -> None:
    world.apply(EVERY_10 + "  - {id: b, depends_on: [{instance: a, on: started}]}\n")
    world.pass_time(11)
    world.report(FIRST, D.STARTING)
    assert world.states()[-1] == "WAITING"
    world.report(FIRST, D.RUNNING)
    assert world.states()[-1] == "QUEUED"


def test_a_parent_that_is_tried_again_decides_its_child_only_when_it_is_done(world: World) -> None:
    once = '{start: "2026-03-02T12:00:10"}'
    world.apply(instance(retries="1", schedule=once) + "  - {id: b, depends_on: [a]}\n")
    world.pass_time(11)
    world.report(FIRST, D.FAILED, reason="exit_code")
    assert world.states() == ["QUEUED", "WAITING"]
    world.report(FIRST, D.FAILED, attempt=2, reason="exit_code")
    assert world.told()[-1] == ("UPSTREAM_FAILED", "dep_failed")


def test_a_jump_of_the_clock_suspends_firing_until_it_is_synced(world: World) -> None:
    world.apply(EVERY_10)
    world.scheduler.may_fire = lambda: False
    world.clock.advance(timedelta(seconds=11))
    world.scheduler.hold_shards()
    world.scheduler.tick()
    assert world.jobs() == []
    world.scheduler.may_fire = lambda: True
    world.tick()
    assert len(world.jobs()) == 1


def test_missed_jobs_wait_for_news_of_the_jobs_before_them(world: World) -> None:
    """Its last run ended while we were down, and job.events has not been read to its end yet."""
    world.apply(instance(schedule='{start: "2026-03-02T12:00:10", interval: 1m}'))
    world.pass_time(11)
    world.clock.advance(timedelta(minutes=5))
    again = world.start()
    again.scheduler.is_reconciled = lambda: False
    again.scheduler.tick()
    assert again.states() == ["QUEUED"]
    again.report(FIRST, D.SUCCEEDED)
    again.scheduler.is_reconciled = lambda: True
    again.clock.advance(timedelta(seconds=1))
    again.tick()
    assert again.states() == ["SUCCEEDED", "MISSED", "QUEUED"]
