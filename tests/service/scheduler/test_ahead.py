"""Plain starts are committed a little before they are due; until then nothing of it is to be seen."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from common.bus import BusUnavailableError
from common.messages import DeploymentState
from scheduler.service import LeaseLostError
from tests.service.scheduler.test_firing import EVERY_10, FIRST, SECOND, instance
from tests.support.scheduler_world import NOON, World


def pass_to(world: World, seconds: float) -> None:
    """Go to so many seconds after noon, and let the scheduler look."""
    world.clock.advance(NOON + timedelta(seconds=seconds) - world.clock.now())
    world.tick()


def send_what_is_due(world: World) -> list[str]:
    world.scheduler.publish()
    return [start.job_id for start in world.commands()]


def test_a_start_is_committed_before_it_is_due_and_sent_when_it_is(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 9.6)
    assert world.jobs() == []
    pass_to(world, 9.95)
    assert world.states() == ["QUEUED"]
    assert send_what_is_due(world) == []
    pass_to(world, 10)
    assert send_what_is_due(world) == [FIRST]
    assert world.moves(FIRST) == ["QUEUED"]
    world.report(FIRST, DeploymentState.SUCCEEDED)
    pass_to(world, 20)
    assert send_what_is_due(world) == [FIRST, SECOND]


@pytest.mark.parametrize("is_prepared", [True, False])
def test_what_is_ready_is_the_same_as_what_is_not(world: World, is_prepared: bool) -> None:
    world.apply(instance("a", instances="2") + instance("b", priority="80"))
    if is_prepared:
        pass_to(world, 1)
        while world.scheduler.prepare() == 0.0:
            pass
        assert len(world.scheduler.firer.ready) == 2
    pass_to(world, 10)
    assert [start.job_id for start in world.commands()] == [
        f"{name}.20260302T120010Z.{ordinal}" for name, ordinal in (("a", 0), ("a", 1), ("b", 0))]
    assert len(world.scheduler.firer.ready) == 0


def test_what_was_made_ready_of_an_older_version_is_not_used(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 1)
    world.scheduler.prepare()
    world.apply(EVERY_10.replace("4s", "3s"), version=2)
    pass_to(world, 10)
    (start,) = world.commands()
    assert start.stop_at == NOON + timedelta(seconds=13)


def test_what_was_made_ready_of_a_deleted_instance_takes_no_room(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 1)
    world.scheduler.prepare()
    assert len(world.scheduler.firer.ready) == 1
    world.apply(EVERY_10, version=2, deleted=True)
    assert len(world.scheduler.firer.ready) == 0


def test_a_change_in_between_takes_back_what_was_written(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 9.95)
    assert world.states() == ["QUEUED"]
    later = '  - {id: a, schedule: {start: "2026-03-02T12:00:15", interval: 10s}}\n'
    world.apply(later, version=2)
    assert world.jobs() == []
    assert world.moves(FIRST) == []
    pass_to(world, 12)
    assert send_what_is_due(world) == []
    pass_to(world, 15)
    assert send_what_is_due(world) == ["a.20260302T120015Z.0"]
    world.auditor.run_once()
    assert world.auditor.imbalance == 0


def test_a_pause_in_between_skips_it(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 9.95)
    world.apply(EVERY_10, paused=True, applied_at=NOON)
    pass_to(world, 10)
    assert world.told() == [("SKIPPED", "paused")]
    assert send_what_is_due(world) == []


@pytest.mark.parametrize("due", [None, NOON + timedelta(seconds=10)])
def test_what_is_skipped_in_between_does_not_run(world: World, due: datetime | None) -> None:
    world.apply(EVERY_10)
    pass_to(world, 9.95)
    world.ask("skip", due=due)
    pass_to(world, 10)
    assert world.told() == [("SKIPPED", "user")]
    assert send_what_is_due(world) == []
    pass_to(world, 20)
    assert send_what_is_due(world) == [SECOND]


def test_a_change_after_it_was_sent_leaves_it(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 9.95)
    pass_to(world, 10)
    send_what_is_due(world)
    world.apply(EVERY_10.replace("4s", "3s"), version=2)
    assert world.states() == ["QUEUED"]


def test_a_change_that_is_rolled_back_leaves_it_to_be_sent(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 9.95)
    taken = world.scheduler.leases.epochs
    world.scheduler.leases.epochs = dict.fromkeys(range(16), 99)
    with pytest.raises(LeaseLostError):
        world.apply(EVERY_10.replace("4s", "3s"), version=2)
    world.scheduler.leases.epochs = taken
    assert world.states() == ["QUEUED"]
    world.clock.advance(timedelta(seconds=0.1))
    assert send_what_is_due(world) == [FIRST]


def test_a_restart_in_between_sends_it_when_it_is_due(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 9.95)
    again = world.start("two")
    world.run("lose_leases")
    world.run("lose_replicas")
    again.scheduler.hold_shards()
    assert send_what_is_due(again) == []
    again.clock.advance(timedelta(seconds=1))
    again.tick()
    assert send_what_is_due(again) == [FIRST]


def test_what_could_not_be_sent_when_due_is_sent_by_a_sweep(world: World) -> None:
    world.apply(EVERY_10)
    pass_to(world, 9.95)
    world.bus.available = False
    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(BusUnavailableError):
        world.scheduler.publish()
    world.bus.available = True
    assert send_what_is_due(world) == [FIRST]


def test_what_is_not_plain_waits_until_it_is_due(world: World) -> None:
    world.apply(EVERY_10 + "  - {id: b, depends_on: [a]}\n")  # a parent
    world.apply(instance("c", schedule='{start: "2026-03-02T12:00:10", interval: 5s}'))
    pass_to(world, 9.95)
    assert [job["instance_id"] for job in world.jobs()] == ["c"]
    pass_to(world, 14.95)  # the first of c has not ended
    assert [job["instance_id"] for job in world.jobs()] == ["a", "b", "c"]
    pass_to(world, 15)
    assert [job["state"] for job in world.jobs() if job["instance_id"] == "c"] == [
        "QUEUED", "SKIPPED"]
