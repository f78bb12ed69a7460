"""What people ask for is carried out once: kill, run now, retry, skip the next one."""

from __future__ import annotations

from datetime import timedelta

from common.messages import DeploymentState as D
from tests.service.scheduler.test_firing import EVERY_10, FIRST, SECOND, instance
from tests.support.scheduler_world import NOON, World


def test_a_kill_is_carried_out_once(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.ask("kill", FIRST)
    world.intake.carry_out_requests()
    assert world.kills() == [(FIRST, "user")]
    assert world.handled() == [("done", FIRST)]


def test_a_kill_of_a_job_that_waits_needs_nobody_else(world: World) -> None:
    world.apply('  - {id: b, schedule: {start: "2026-03-02T12:00:10"}}\n'
                '  - {id: a, depends_on: [b], schedule: {start: "2026-03-02T12:00:10"}}\n')  # fmt: skip
    world.pass_time(11)
    world.ask("kill", FIRST)
    assert world.kills() == []
    assert ("CANCELLED", "user") in world.told()


def test_a_kill_of_what_has_ended_is_refused(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.SUCCEEDED)
    world.ask("kill", FIRST)
    world.ask("kill", "a.nothing")
    assert [outcome for outcome, _ in world.handled()] == ["refused", "refused"]
    assert world.states() == ["SUCCEEDED"]


def test_run_now_is_a_job_of_its_own_due_now(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T18:00", duration: 1m}}\n')
    world.ask("run", due=NOON + timedelta(microseconds=7))
    (start,) = world.commands()
    assert start.job_id == "a.20260302T120000_000007Z.0"
    (job,) = world.jobs()
    assert (job["is_manual"], job["stop_at"]) == (1, NOON + timedelta(seconds=60))
    assert job["stop_reason"] == "duration"
    world.auditor.run_once()
    assert world.auditor.imbalance == 0


def test_run_now_obeys_overlap_unless_forced(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.RUNNING)
    world.ask("run", due=world.clock.now())
    assert world.handled() == [("refused", f"{FIRST} has not ended, and overlap is skip")]
    world.ask("run", due=world.clock.now(), forced=True)
    assert world.states() == ["RUNNING", "QUEUED"]


def test_run_now_behind_a_running_one_is_held_where_the_policy_queues(world: World) -> None:
    world.apply(instance(overlap="queue_one"))
    world.pass_time(11)
    world.ask("run", due=world.clock.now())
    assert [job["is_held"] for job in world.jobs()] == [0, 1]
    world.report(FIRST, D.SUCCEEDED)
    assert len(world.commands()) == 2


def test_run_now_runs_what_depends_on_it(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T18:00"}}\n  - {id: b, depends_on: [a]}\n')
    world.pass_time(3)
    world.ask("run", due=world.clock.now())
    assert [job["state"] for job in world.jobs()] == ["QUEUED", "WAITING"]


def test_a_paused_instance_runs_on_demand_and_a_deleted_one_does_not(world: World) -> None:
    world.apply(EVERY_10, paused=True)
    world.ask("run", due=NOON)
    world.apply(EVERY_10, deleted=True)
    world.ask("run", due=NOON + timedelta(seconds=1))
    assert [outcome for outcome, _ in world.handled()] == ["done", "refused"]


def test_a_retry_keeps_the_job_with_a_new_attempt(world: World) -> None:
    world.apply(instance(schedule='{start: "2026-03-02T12:00:10"}'))
    world.pass_time(11)
    world.report(FIRST, D.FAILED, reason="exit_code", exit_code=1)
    world.ask("retry", FIRST)
    assert [(s.job_id, s.attempt) for s in world.commands()] == [(FIRST, 1), (FIRST, 2)]
    world.report(FIRST, D.SUCCEEDED, attempt=2)
    assert world.told() == [("SUCCEEDED", None)]
    assert world.moves(FIRST) == ["QUEUED", "FAILED", "QUEUED", "SUCCEEDED"]


def test_a_retry_of_what_succeeded_runs_or_is_over_is_refused(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.ask("retry", FIRST)
    world.report(FIRST, D.FAILED, reason="exit_code")
    world.pass_time(5)
    world.ask("retry", FIRST)
    assert [detail for _, detail in world.handled()] == [
        "the job is QUEUED; only what ended badly is tried again",
        "its stop time was 2026-03-02T12:00:14+00:00",
    ]


def test_a_lost_job_is_tried_again_only_by_force(world: World) -> None:
    world.apply(instance(schedule='{start: "2026-03-02T12:00:10"}'))
    world.pass_time(11)
    world.report(FIRST, D.LOST, reason="node_lost")
    world.ask("retry", FIRST)
    assert len(world.commands()) == 1
    world.ask("retry", FIRST, forced=True)
    assert len(world.commands()) == 2


def test_skip_next_skips_one_due_time(world: World) -> None:
    world.apply(EVERY_10)
    world.ask("skip_next")
    assert world.told() == [("SKIPPED", "user")]
    world.pass_time(21)
    assert [(job["job_id"], job["state"]) for job in world.jobs()] == [
        (FIRST, "SKIPPED"), (SECOND, "QUEUED"),
    ]  # fmt: skip
    assert [start.job_id for start in world.commands()] == [SECOND]
    world.auditor.run_once()
    assert world.auditor.imbalance == 0


def test_a_moment_that_is_not_due_cannot_be_skipped(world: World) -> None:
    world.apply(EVERY_10)
    world.ask("skip_next", due=NOON + timedelta(seconds=11))
    assert world.handled()[0][0] == "refused"
    assert world.jobs() == []


def test_an_unknown_wish_and_an_unknown_instance_are_refused(world: World) -> None:
    world.apply(EVERY_10)
    world.ask("dance")
    world.ask("run", id="nobody")
    assert [outcome for outcome, _ in world.handled()] == ["refused", "refused"]
