"""Edits that come and go while no scheduler looks: each version answers for its own time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.service.scheduler.test_firing import instance
from tests.support.scheduler_world import NOON, World


def every(seconds: int, first: int, **keys: str) -> str:
    schedule = f'{{start: "2026-03-02T12:00:{first:02d}", interval: {seconds}s}}'
    return instance(schedule=schedule, **keys)


def rows(world: World) -> list[tuple[int, int]]:
    """Return each row's version, and the second in which it was due."""
    return sorted((job["version"], job["due"].second) for job in world.jobs())


def edit(world: World, body: str, version: int, **state: Any) -> None:
    world.put(body, version, **state)


def let_pass(world: World, seconds: float) -> None:
    """Nobody fires meanwhile."""
    world.clock.advance(timedelta(seconds=seconds))


def test_a_version_that_came_and_went_answers_for_the_time_between(world: World) -> None:
    world.apply(every(10, 10, misfire="all", overlap="allow"))
    let_pass(world, 21)
    edit(world, every(5, 2, misfire="all", overlap="allow"), 2)
    let_pass(world, 12)
    edit(world, every(20, 0, misfire="all", overlap="allow"), 3)
    let_pass(world, 8)
    world.intake.scan()
    world.tick()
    assert rows(world) == [(1, 10), (1, 20), (2, 22), (2, 27), (2, 32), (3, 40)]
    world.auditor.run_once()
    assert world.auditor.imbalance == 0


def test_of_a_version_not_known_at_all_the_first_ones_count_too(world: World) -> None:
    edit(world, every(10, 10, misfire="all", overlap="allow"), 1)
    let_pass(world, 15)
    edit(world, every(10, 20, misfire="all", overlap="allow"), 2)
    let_pass(world, 10)
    world.intake.scan()
    world.tick()
    assert rows(world) == [(1, 10), (2, 20)]


def test_of_an_instance_never_seen_the_far_past_is_left_alone(world: World) -> None:
    edit(world, every(10, 10, misfire="all", overlap="allow"), 1)
    let_pass(world, 2 * 86400)
    edit(world, every(10, 20, misfire="all", overlap="allow"), 2)
    let_pass(world, 10)
    world.intake.scan()
    world.tick()
    assert {job["version"] for job in world.jobs()} == {2}


@pytest.mark.parametrize("is_there", [True, False])
def test_what_was_removed_for_a_while_was_not_due_then(world: World, is_there: bool) -> None:
    body = every(10, 10, misfire="all", overlap="allow")
    edit(world, body, 1)
    if is_there:
        world.intake.scan()
    let_pass(world, 15)
    edit(world, body, 2, deleted=True)
    let_pass(world, 10)
    edit(world, body, 3)
    let_pass(world, 10)
    world.intake.scan()
    world.tick()
    assert rows(world) == [(1, 10), (3, 30)]
    assert [job["desired_stop"] or job["reason"] for job in world.jobs()] == ["user", None]


def test_what_a_passed_version_still_has_to_start_is_started_as_it_said(world: World) -> None:
    world.apply(every(10, 10))
    let_pass(world, 1)
    edit(world, every(10, 5, env="{MODE: between}"), 2)
    let_pass(world, 6)
    edit(world, every(10, 30), 3)
    world.intake.scan()
    (start,) = world.commands()
    assert (start.due.second, dict(start.spec.env)) == (5, {"MODE": "between"})
    with world.admin.transaction() as transaction:
        assert sorted(row["version"] for row in transaction.all("past_versions")) == [1, 2]


def test_overlap_counts_the_job_of_the_version_before(world: World) -> None:
    world.apply(every(10, 10, misfire="all"))
    let_pass(world, 11)
    edit(world, every(10, 12, misfire="all"), 2)
    let_pass(world, 2)
    edit(world, every(10, 50), 3)
    world.intake.scan()
    told = [(job["version"], job["state"]) for job in world.jobs()]
    assert told == [(1, "QUEUED"), (2, "SKIPPED")]


def test_a_pause_between_two_edits_that_nobody_saw_is_kept_to(world: World) -> None:
    """P13: each due time is as it was then, whatever the last known state says."""
    body = every(10, 10, misfire="all", overlap="allow")
    world.apply(body)
    let_pass(world, 12)
    edit(world, body, 1, paused=True, applied_at=NOON)
    let_pass(world, 13)
    edit(world, every(10, 5, misfire="all", overlap="allow"), 2, paused=True)
    let_pass(world, 13)
    edit(world, every(10, 5, misfire="all", overlap="allow"), 2,
         applied_at=world.clock.now() - timedelta(seconds=13))  # fmt: skip
    let_pass(world, 10)
    edit(world, every(10, 9, misfire="all", overlap="allow"), 3, paused=True)
    let_pass(world, 12)
    world.intake.scan()
    world.tick()
    told = [(job["version"], job["due"].second, job["reason"]) for job in world.jobs()]
    assert told == [
        (1, 10, None), (1, 20, "paused"), (2, 35, "paused"), (2, 45, None), (3, 49, "paused"),
        (3, 59, "paused"),
    ]  # fmt: skip
    world.auditor.run_once()
    assert world.auditor.imbalance == 0


def test_a_pause_that_began_and_ended_while_all_were_away_replays_nothing(world: World) -> None:
    """Nothing of it is different now; the misfire policy runs nothing of the pause."""
    body = every(10, 10)
    world.apply(body)
    let_pass(world, 12)
    edit(world, body, 1, paused=True, applied_at=NOON)
    let_pass(world, 31)
    edit(world, body, 1, applied_at=NOON)
    let_pass(world, 10)
    again = world.start()
    again.tick()  # before it has looked for changes
    told = [(job["due"].second, job["state"], job["reason"]) for job in again.jobs()]
    assert told == [
        (10, "MISSED", "downtime"), *((s, "SKIPPED", "paused") for s in (20, 30, 40)),
        (50, "QUEUED", None),
    ]  # fmt: skip


def test_what_was_edited_while_all_were_away_is_not_fired_as_it_was(world: World) -> None:
    world.apply(every(10, 10, misfire="all", overlap="allow"))
    let_pass(world, 12)
    edit(world, every(30, 30, misfire="all", overlap="allow"), 2)
    let_pass(world, 35)
    again = world.start()
    again.pass_time(2)  # it does not look for changes by itself here
    assert rows(again) == [(1, 10), (2, 30)]
    assert again.scheduler.tick() > 0.0, "nothing is left to look at again and again"


def test_a_resume_that_nobody_took_yet_counts_for_what_is_due_after_it(world: World) -> None:
    world.apply(every(10, 10, overlap="allow"))
    world.apply(every(10, 10, overlap="allow"), paused=True, applied_at=NOON)
    world.pass_time(15)
    world.put(every(10, 10, overlap="allow"), applied_at=NOON)
    world.pass_time(6)
    assert world.told() == [("SKIPPED", "paused"), ("QUEUED", None)]


def test_children_of_what_was_due_before_both_changed_are_told_of(world: World) -> None:
    """Parent and child are taken in one transaction: who depended on whom is still known in it."""
    parent = every(10, 10, misfire="all")
    child = "  - {id: b, depends_on: [{instance: a, on: done}]}\n"
    world.apply(f"{parent}\n{child}")
    let_pass(world, 12)
    edit(world, f"{every(10, 50)}\n{child}", 2)
    world.intake.scan()
    assert {job["instance_id"] for job in world.jobs()} == {"a", "b"}


def test_a_child_that_was_paused_unseen_is_skipped(world: World) -> None:
    child = "  - {id: b, depends_on: [{instance: a, on: done}]}\n"
    world.apply(f"{every(10, 10, misfire='all')}\n{child}")
    for is_paused in (True, False):
        world.run("put_pause", id="b", paused=is_paused, at=world.clock.now())
        let_pass(world, 12)
    again = world.start()
    again.tick()
    told = [(job["due"].second, job["reason"]) for job in again.jobs() if job["instance_id"] == "b"]
    assert told == [(10, "paused"), (20, None)]
