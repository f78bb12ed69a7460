"""What follows from parents' rows, and from what people had done to due times, on the real SQL."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.messages import DeploymentState as D
from tests.support.scheduler_world import NOON, World

PARENT = '  - {id: a, overlap: skip, schedule: {start: "2026-03-02T12:00:10", interval: 10s}}\n'
SIX_S_LATER = timedelta(seconds=6)


def told_of(world: World, name: str) -> list[tuple[str, str | None, int]]:
    return [
        (job["state"], job["reason"], job["count"])
        for job in world.jobs()
        if job["instance_id"] == name
    ]


def apply_with_child(world: World, edge: str, parent: str = PARENT) -> None:
    world.apply(f"{parent}  - {{id: b, depends_on: [{{instance: a, on: {edge}}}]}}\n")


def test_a_child_has_a_row_for_all_that_its_parent_skips_in_a_stretch(world: World) -> None:
    apply_with_child(world, "success")
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", D.RUNNING)
    world.pass_time(80)
    skipped = ("SKIPPED", "overlap", 1)
    assert told_of(world, "a") == [
        ("RUNNING", None, 1), skipped, skipped, skipped, ("SKIPPED", "overlap", 5),
    ]  # fmt: skip
    failed = ("UPSTREAM_FAILED", "dep_failed", 1)
    assert told_of(world, "b") == [
        ("WAITING", None, 1), failed, failed, failed, ("UPSTREAM_FAILED", "dep_failed", 5),
    ]  # fmt: skip


def test_a_child_on_done_runs_with_each_due_time_its_parent_skips(world: World) -> None:
    apply_with_child(world, "done")
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", D.RUNNING)
    world.pass_time(50)
    started = [start.job_id for start in world.commands() if start.instance_id == "b"]
    assert started[0] == "b.20260302T120020Z.0"
    assert sum(count for *_, count in told_of(world, "b")) == 6


def test_what_was_missed_while_down_is_missed_by_the_child_as_well(world: World) -> None:
    apply_with_child(world, "success")
    world.clock.advance(timedelta(seconds=125))
    world.start().tick()
    assert sum(count for *_, count in told_of(world, "a")) == 12
    assert sum(count for *_, count in told_of(world, "b")) == 12
    assert ("UPSTREAM_FAILED", "dep_failed", 11) in told_of(world, "b")


def test_a_due_time_skipped_ahead_hides_nothing_of_what_is_missed_later(world: World) -> None:
    world.apply(PARENT)
    world.ask("skip")
    world.clock.advance(timedelta(seconds=125))
    later = world.start()
    later.tick()
    assert [(job["state"], job["count"]) for job in world.jobs()] == [
        ("SKIPPED", 1), ("MISSED", 10), ("QUEUED", 1),
    ]  # fmt: skip
    later.auditor.run_once()
    assert later.auditor.imbalance == 0


def test_a_due_time_skipped_ahead_that_an_edit_did_away_with_is_no_imbalance(world: World) -> None:
    world.apply(PARENT)
    world.ask("skip")
    world.clock.advance(timedelta(seconds=1))
    world.apply(PARENT.replace("12:00:10", "12:00:13"), version=2)
    world.pass_time(20)
    assert [job["state"] for job in world.jobs()] == ["SKIPPED", "QUEUED"]
    world.auditor.run_once()
    assert world.auditor.imbalance == 0


@pytest.mark.parametrize(("edge", "end", "states"), [
    ("success", D.SUCCEEDED, ["SUCCEEDED", "QUEUED"]),
    ("success", D.FAILED, ["FAILED", "UPSTREAM_FAILED"]),
    ("done", D.FAILED, ["FAILED", "QUEUED"]),
])  # fmt: skip
def test_a_run_by_hand_waits_for_its_parents_running_job(
    world: World, edge: str, end: D, states: list[str]
) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T12:00:10"}}\n'
                f"  - {{id: b, schedule: {{start: '2026-03-03T12:00'}}, "
                f"depends_on: [{{instance: a, on: {edge}}}]}}\n")  # fmt: skip
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", D.RUNNING)
    world.ask("run", id="b", due=world.clock.now())
    assert world.states() == ["RUNNING", "WAITING"]
    world.report("a.20260302T120010Z.0", end, reason="exit_code" if end is D.FAILED else None)
    assert world.states() == states


def test_a_run_by_hand_is_refused_where_its_parent_failed_and_forced_runs(world: World) -> None:
    apply_with_child(world, "success", '  - {id: a, schedule: {start: "2026-03-02T12:00:10"}}\n')
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", D.FAILED, reason="exit_code")
    world.ask("run", id="b", due=world.clock.now() + SIX_S_LATER)
    (outcome, why) = world.handled()[-1]
    assert (outcome, "force the run" in why) == ("refused", True)
    world.ask("run", id="b", due=world.clock.now() + SIX_S_LATER, forced=True)
    assert told_of(world, "b")[-1] == ("QUEUED", None, 1)


def test_a_run_of_a_due_time_that_has_its_job_or_is_to_come_is_refused(world: World) -> None:
    world.apply(PARENT)
    world.ask("run", due=NOON + timedelta(seconds=10))
    world.pass_time(11)
    world.ask("run", due=NOON + timedelta(seconds=10))
    assert [why.split(" ", 1)[1] for _, why in world.handled()] == [
        "is still to come by its schedule", "is there already, QUEUED; retry it instead",
    ]  # fmt: skip
    world.auditor.run_once()
    assert world.auditor.imbalance == 0


def test_what_an_edge_said_does_not_leak_into_the_next_cycle_nor_is_it_lost(world: World) -> None:
    apply_with_child(world, "success")
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", D.FAILED, reason="exit_code")
    again = world.start()  # the first result is a row: nobody asks for it again
    again.pass_time(10)
    again._revision = world._revision
    again.report("a.20260302T120020Z.0", D.SUCCEEDED)
    assert told_of(again, "b") == [("UPSTREAM_FAILED", "dep_failed", 1), ("QUEUED", None, 1)]
