"""How instances come in: a message is a wake-up, a scan finds what no message told."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from common.messages import APP_INSTANCES
from common.messages import DeploymentState as D
from scheduler.intake import NotVisibleYetError
from tests.service.scheduler.test_firing import EVERY_10, FIRST, instance
from tests.support.scheduler_world import World


def send(world: World, name: str) -> None:
    payload = json.dumps({"instance_id": name}).encode()
    world.bus.producer().send(APP_INSTANCES, name, payload).wait(1)


def test_an_id_is_enough_to_look_an_instance_up(world: World) -> None:
    world.put(EVERY_10)
    send(world, "a")
    world.receive_instances()
    world.pass_time(11)
    assert [start.job_id for start in world.commands()] == [FIRST]


def test_a_lost_message_changes_nothing(world: World) -> None:
    world.put(EVERY_10)
    world.intake.scan()
    world.pass_time(11)
    assert [start.job_id for start in world.commands()] == [FIRST]


def test_an_unknown_id_is_dead_and_stops_nobody(world: World) -> None:
    world.put(EVERY_10)
    for name in ("nobody", "a"):
        send(world, name)
    world.clock.advance(timedelta(seconds=2))
    world.receive_instances()
    dead = world.bus.records("app.instances.dlq")
    assert [json.loads(record.value)["key"] for record in dead] == ["nobody"]
    world.pass_time(11)
    assert len(world.jobs()) == 1


def test_an_id_whose_commit_is_still_on_its_way_is_looked_up_again(world: World) -> None:
    send(world, "a")
    with pytest.raises(NotVisibleYetError):
        world.receive_instances()
    assert world.bus.records("app.instances.dlq") == []
    world.put(EVERY_10)
    world.receive_instances()
    world.pass_time(11)
    assert len(world.jobs()) == 1


def test_a_change_whose_clock_was_behind_is_found_by_the_whole_scan(world: World) -> None:
    world.apply(EVERY_10)
    world.put(instance("b"), updated_at=world.clock.now() - timedelta(hours=1))
    world.pass_time(660, step=10)
    world.intake.scan()
    world.pass_time(10)
    assert "b" in {job["instance_id"] for job in world.jobs()}


def test_what_was_read_before_a_newer_version_was_taken_does_not_undo_it(world: World) -> None:
    """A scan and a message are two threads: one may read, wait, and write after the other."""
    world.apply(EVERY_10)
    with world.database.transaction() as transaction:
        read_before = transaction.all("app_instances", instances=["a"])
    world.clock.advance(timedelta(seconds=1))
    world.put(instance(schedule='{start: "2026-03-02T12:00:25", interval: 10s}'), version=2)
    world.intake.scan()
    world.intake.take(read_before)
    world.pass_time(30)
    assert [job["due"].second for job in world.jobs()] == [25]


@pytest.mark.parametrize("is_changed", [True, False])
def test_what_was_new_when_it_was_read_and_taken_meanwhile_is_not_written_over(
    world: World, is_changed: bool
) -> None:
    world.put(instance())
    world.put(instance("b"))
    with world.database.transaction() as transaction:
        read_before = transaction.all("app_instances", instances=["a", "b"])
    assert all(row["is_new"] for row in read_before)
    if is_changed:
        world.clock.advance(timedelta(seconds=1))
        world.put(instance(schedule='{start: "2026-03-02T12:00:25", interval: 10s}'), version=2)
    send(world, "a")
    world.receive_instances()
    world.intake.take(read_before)
    world.pass_time(30)
    dues = [job["due"].second for job in world.jobs() if job["instance_id"] == "a"]
    assert dues == ([25] if is_changed else [10, 20, 30])
    assert "b" in {job["instance_id"] for job in world.jobs()}


def test_many_instances_are_taken_portion_by_portion(world: World) -> None:
    world.apply("".join(instance(f"i{n}") for n in range(999)))
    world.apply("".join(instance(f"j{n}") for n in range(999)))
    world.pass_time(11)
    assert len(world.jobs()) == 1998


def test_two_replicas_share_the_shards_and_take_over_from_each_other(world: World) -> None:
    other = world.start("two")
    for each in (world, other, world, other):
        each.scheduler.hold_shards()
    assert len(world.scheduler.shards) == len(other.scheduler.shards) == 8
    assert world.scheduler.shards.isdisjoint(other.scheduler.shards)
    other.scheduler.leave()
    world.scheduler.hold_shards()
    assert len(world.scheduler.shards) == 16


def test_two_replicas_fire_everything_once(world: World) -> None:
    other = world.start("two")
    for each in (world, other, world, other):
        each.scheduler.hold_shards()
    world.put("".join(instance(f"i{n}", overlap="allow") for n in range(40)))
    for each in (world, other):
        each.intake.scan()
    for _ in range(21):
        world.clock.advance(timedelta(seconds=1))
        for each in (world, other):
            each.tick()
    assert len(world.jobs()) == 80
    assert len({start.job_id for start in world.commands()}) == len(world.commands()) == 80


def test_events_of_another_replicas_jobs_are_applied_by_whoever_reads_them(world: World) -> None:
    other = world.start("two")
    for each in (world, other, world, other):
        each.scheduler.hold_shards()
    world.put("".join(instance(f"i{n}", overlap="queue_one") for n in range(8)))
    for each in (world, other):
        each.intake.scan()
    for _ in range(21):
        world.clock.advance(timedelta(seconds=1))
        for each in (world, other):
            each.tick()
    for n in range(8):
        world.report(f"i{n}.20260302T120010Z.0", D.SUCCEEDED)
    for each in (world, other):
        each.scheduler.publish()
    assert len({start.job_id for start in world.commands()}) == 16


def test_who_takes_over_finds_what_the_former_holder_never_took(world: World) -> None:
    """A change that both saw while the other one held its shard, long before the take-over."""
    other = world.start("two")
    for each in (world, other, world, other):
        each.scheduler.hold_shards()
    world.put("".join(instance(f"i{n}") for n in range(40)))
    world.intake.scan()  # the other one dies before it takes its half
    world.clock.advance(timedelta(seconds=120))
    world.put(instance("later"))
    world.intake.scan()
    other.scheduler.leave()
    world.scheduler.hold_shards()
    world.intake.scan()
    world.pass_time(11)
    assert {f"i{n}" for n in range(40)} <= {job["instance_id"] for job in world.jobs()}
