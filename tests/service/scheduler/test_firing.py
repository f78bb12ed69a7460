"""Every due time a row, one start command each; overlap, misfire, pause, edit, dependencies."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.failpoints import FailpointError
from common.jobs import JobState
from common.messages import DeploymentState, KillJob
from scheduler.service import LeaseLostError
from tests.support.scheduler_world import NOON, World

EVERY_10 = '  - {id: a, schedule: {start: "2026-03-02T12:00:10", interval: 10s, duration: 4s}}\n'
FIRST, SECOND, THIRD = (f"a.20260302T1200{s}Z.0" for s in (10, 20, 30))
D = DeploymentState


def instance(name: str = "a", **keys: str) -> str:
    """Write an instance that is due each ten seconds from 12:00:10 on."""
    keys = {"schedule": '{start: "2026-03-02T12:00:10", interval: 10s}'} | keys
    return f"  - {{id: {name}, {', '.join(f'{k}: {v}' for k, v in keys.items() if v)}}}\n"


def test_each_due_time_is_a_row_and_one_start_command(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(31)
    assert [job["due"] for job in world.jobs()] == [
        NOON + timedelta(seconds=s) for s in (10, 20, 30)
    ]
    starts = world.commands()
    assert [s.job_id for s in starts if s.due == NOON + timedelta(seconds=10)] == [FIRST]
    assert len({s.id for s in starts}) == len(starts)


def test_nothing_is_sent_twice_and_what_was_sent_is_marked(world: World) -> None:
    world.apply(instance(overlap="allow"))
    world.pass_time(41)
    for _ in range(3):
        world.scheduler.publish()
    assert len(world.commands()) == 4
    assert all(job["is_published"] for job in world.jobs())


def test_a_start_that_kafka_refused_is_sent_when_it_is_back(world: World) -> None:
    world.apply(instance(overlap="allow"))
    world.bus.available = False
    world.pass_time(21)
    assert world.states() == ["QUEUED", "QUEUED"]
    assert world.commands() == []
    world.bus.available = True
    world.scheduler.publish()
    assert [s.job_id for s in world.commands()] == [FIRST, SECOND]


def test_a_job_at_its_stop_time_is_killed(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.RUNNING, started_at=world.clock.now())
    world.pass_time(4)
    assert world.kills() == [(FIRST, "duration")]
    world.report(FIRST, D.ENDED, reason="duration")
    assert world.states() == ["ENDED"]


def test_a_job_without_a_stop_time_runs_past_its_start_deadline(world: World) -> None:
    world.apply(instance(start_deadline="5s", schedule='{start: "2026-03-02T12:00:10"}'))
    world.pass_time(11)
    world.report(FIRST, D.RUNNING)
    world.pass_time(20)
    assert world.kills() == []


def test_a_kill_of_a_start_that_may_be_out_is_a_message_never_just_a_row(world: World) -> None:
    """The start may have been sent, confirmed or not: only a kill that follows it can stop it."""
    world.apply(EVERY_10)
    world.bus.available = False
    world.pass_time(14)  # the job was due at :10 and must stop at :14; nothing could be sent
    world.bus.available = True
    world.scheduler.send_kills()
    world.scheduler.publish()
    assert world.kills() == [(FIRST, "duration")]
    assert world.commands() == []
    assert world.states() == ["QUEUED"]
    world.report(FIRST, D.MISSED, reason="window_closed")
    assert world.told() == [("MISSED", "window_closed")]


def test_a_kill_is_sent_again_until_it_is_confirmed(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.RUNNING)
    world.pass_time(4)
    for _ in range(4):
        world.run("kill_sent_long_ago")
        world.scheduler.send_kills()
    assert len(world.commands(KillJob)) == 5
    assert world.jobs()[0]["detail"] == "the kill is not confirmed"
    world.report(FIRST, D.STOPPING)
    world.run("kill_sent_long_ago")
    assert world.scheduler.send_kills() == 0


def test_a_restart_forgets_nothing_and_doubles_nothing(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.SUCCEEDED)
    again = world.start()
    again.pass_time(10)
    again.scheduler.publish()
    assert len(again.jobs()) == 2
    assert sorted(s.job_id for s in again.commands()) == [FIRST, SECOND]


def test_a_restart_kills_what_is_overdue(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.RUNNING)
    world.clock.advance(timedelta(seconds=30))
    world.start().tick()
    assert world.kills() == [(FIRST, "duration")]


def test_after_downtime_latest_runs_one_and_tells_the_rest(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T12:01", interval: 1m}}\n')
    world.pass_time(61)
    world.report("a.20260302T120100Z.0", D.SUCCEEDED)
    world.clock.advance(timedelta(hours=2))
    again = world.start()
    again.tick()
    assert [(row["state"], row["reason"], row["count"]) for row in again.jobs()] == [
        ("SUCCEEDED", None, 1), ("MISSED", "downtime", 119), ("QUEUED", None, 1),
    ]  # fmt: skip


def test_a_round_that_fails_half_way_is_done_again(world: World) -> None:
    """MySQL away: firing stops, nothing is lost, and the time without it is downtime."""
    world.apply('  - {id: a, misfire: skip, schedule: {start: "2026-03-02T12:01", interval: 1m}}\n')
    world.pass_time(5)
    world.clock.advance(timedelta(minutes=30))
    world.pass_time(60)
    told = [(row["state"], row["reason"], row["count"]) for row in world.jobs()]
    assert told == [
        ("MISSED", "downtime", 29), ("QUEUED", None, 1), ("SKIPPED", "overlap", 1),
    ]  # fmt: skip


def test_overlap_skip_is_a_row_of_its_own(world: World) -> None:
    world.apply(instance())
    world.pass_time(11)
    world.report(FIRST, D.RUNNING)
    world.pass_time(10)
    assert world.told() == [("RUNNING", None), ("SKIPPED", "overlap")]


def test_a_long_stretch_of_skips_is_one_row(world: World) -> None:
    world.apply(instance())
    world.pass_time(11)
    world.report(FIRST, D.RUNNING)
    world.pass_time(60)
    assert [row["count"] for row in world.jobs()] == [1, 1, 1, 1, 3]
    row = world.jobs()[-1]
    assert (row["state"], row["until"]) == ("SKIPPED", NOON + timedelta(seconds=70))
    world.auditor.run_once()
    assert world.auditor.imbalance == 0


def test_overlap_replace_starts_after_the_old_one_has_ended(world: World) -> None:
    world.apply(instance(overlap="replace"))
    world.pass_time(21)
    assert len(world.commands()) == 1
    assert world.kills() == [(FIRST, "replaced")]
    world.report(FIRST, D.STOPPING)
    assert len(world.commands()) == 1
    world.report(FIRST, D.CANCELLED, reason="replaced")
    assert [s.job_id for s in world.commands()] == [FIRST, SECOND]


def test_overlap_replace_drops_the_one_that_was_still_held(world: World) -> None:
    world.apply(instance(overlap="replace"))
    world.pass_time(31)
    assert world.told() == [("QUEUED", None), ("CANCELLED", "replaced"), ("QUEUED", None)]
    world.report(FIRST, D.CANCELLED, reason="replaced")
    assert [s.job_id for s in world.commands()] == [FIRST, THIRD]


def test_overlap_queue_one_holds_one_and_skips_the_next(world: World) -> None:
    world.apply(instance(overlap="queue_one"))
    world.pass_time(31)
    assert world.told() == [("QUEUED", None), ("QUEUED", None), ("SKIPPED", "overlap")]
    assert [job["is_held"] for job in world.jobs()] == [0, 1, 0]
    world.report(FIRST, D.SUCCEEDED)
    assert [s.job_id for s in world.commands()] == [FIRST, SECOND]


def test_a_held_job_whose_stop_time_comes_was_missed(world: World) -> None:
    world.apply(instance(
        overlap="queue_one", schedule='{start: "2026-03-02T12:00:10", interval: 10s, '
        'end: "2026-03-02T12:00:25"}'))  # fmt: skip
    world.pass_time(21)
    world.report(FIRST, D.RUNNING)
    world.pass_time(5)
    assert world.told() == [("RUNNING", None), ("MISSED", "window_closed")]


def test_a_dependent_is_queued_by_its_parents_end(world: World) -> None:
    world.apply(EVERY_10 + "  - {id: b, depends_on: [a]}\n  - {id: c, depends_on: [b]}\n")
    world.pass_time(11)
    assert sorted(world.states()) == ["QUEUED", "WAITING", "WAITING"]
    world.report(FIRST, D.SUCCEEDED)
    assert [s.instance_id for s in world.commands()] == ["a", "b"]
    world.report(FIRST.replace("a.", "b."), D.SUCCEEDED)
    assert [s.instance_id for s in world.commands()] == ["a", "b", "c"]


def test_a_failed_parent_fails_all_below_it(world: World) -> None:
    world.apply(EVERY_10 + "  - {id: b, depends_on: [a]}\n  - {id: c, depends_on: [b]}\n")
    world.pass_time(11)
    world.report(FIRST, D.FAILED, reason="exit_code", exit_code=1)
    assert world.told() == [
        ("FAILED", "exit_code"), ("UPSTREAM_FAILED", "dep_failed"),
        ("UPSTREAM_FAILED", "dep_failed"),
    ]  # fmt: skip


def test_a_dependent_waits_for_all_ordinals(world: World) -> None:
    world.apply(instance(instances="2") + "  - {id: b, depends_on: [a]}\n")
    world.pass_time(11)
    world.report(FIRST, D.SUCCEEDED)
    assert world.states()[-1] == "WAITING"
    world.report("a.20260302T120010Z.1", D.SUCCEEDED)
    assert world.states()[-1] == "QUEUED"


def test_a_dependent_of_a_failure_runs_on_failure_only(world: World) -> None:
    body = EVERY_10 + "  - {id: b, depends_on: [{instance: a, on: failure}]}\n"
    world.apply(body)
    world.pass_time(11)
    world.report(FIRST, D.FAILED, reason="exit_code")
    world.pass_time(10)
    world.report(SECOND, D.SUCCEEDED)
    assert [job["state"] for job in world.jobs() if job["instance_id"] == "b"] == [
        "QUEUED", "UPSTREAM_FAILED",
    ]  # fmt: skip


def test_a_child_with_a_schedule_waits_in_its_cycle_and_obeys_overlap(world: World) -> None:
    child = instance("b", depends_on="[a]")
    world.apply(instance(overlap="allow") + child)
    world.pass_time(21)
    assert [j["state"] for j in world.jobs() if j["instance_id"] == "b"] == ["WAITING", "WAITING"]
    world.report(FIRST, D.SUCCEEDED)
    world.report(SECOND, D.SUCCEEDED)
    assert [(j["state"], j["reason"]) for j in world.jobs() if j["instance_id"] == "b"] == [
        ("QUEUED", None), ("SKIPPED", "overlap"),
    ]  # fmt: skip


def test_a_child_of_two_parents_runs_after_the_later_one(world: World) -> None:
    """Parents A and B, the scheduler restarted between them: the child runs after B."""
    body = (
        '  - {id: a, schedule: {start: "2026-03-02T12:00:10", interval: 1h}}\n'
        '  - {id: b, schedule: {start: "2026-03-02T12:00:30", interval: 1h}}\n'
        "  - {id: c, depends_on: [a, b]}\n"
    )
    world.apply(body)
    world.pass_time(11)
    world.report(FIRST, D.SUCCEEDED)
    again = world.start()
    again.pass_time(20)
    assert again.states() == ["SUCCEEDED", "QUEUED", "WAITING"]
    again._revision = world._revision
    again.report(THIRD.replace("a.", "b."), D.SUCCEEDED)
    assert [s.instance_id for s in again.commands()] == ["a", "b", "c"]


def test_a_child_of_what_was_missed_fails_and_does_not_wait_for_ever(world: World) -> None:
    world.apply(instance(misfire="skip") + instance("b", misfire="all", depends_on="[a]"))
    world.clock.advance(timedelta(minutes=10))
    world.start().tick()
    told = {(j["state"], j["reason"]) for j in world.jobs() if j["instance_id"] == "b"}
    assert told <= {("UPSTREAM_FAILED", "dep_failed"), ("WAITING", None)}
    assert ("UPSTREAM_FAILED", "dep_failed") in told


def test_a_job_that_waits_too_long_is_missed(world: World) -> None:
    world.apply(EVERY_10 + "  - {id: b, start_deadline: 3s, depends_on: [a]}\n")
    world.pass_time(14)
    assert world.told()[1] == ("MISSED", "dep_timeout")


def test_a_failure_is_tried_again_while_retries_last(world: World) -> None:
    world.apply(
        '  - {id: a, retries: 1, schedule: {start: "2026-03-02T12:00:10", duration: 60s}}\n'
    )
    world.pass_time(11)
    world.report(FIRST, D.FAILED, reason="exit_code", exit_code=1)
    world.scheduler.publish()
    assert [s.attempt for s in world.commands()] == [1]
    world.pass_time(3)
    world.scheduler.publish()
    assert [s.attempt for s in world.commands()] == [1, 2]
    world.report(FIRST, D.FAILED, attempt=2, reason="exit_code", exit_code=1)
    assert world.states() == ["FAILED"]
    assert world.moves(FIRST) == ["QUEUED", "STARTING", "QUEUED", "FAILED"]


def test_an_edit_is_due_from_its_own_moment_on(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T12:00:10", interval: 1h}}\n')
    world.pass_time(5)
    world.apply('  - {id: a, schedule: {start: "2026-03-02T11:59:00", interval: 30s}}\n', version=2)
    world.pass_time(30)
    assert [job["due"] for job in world.jobs()] == [NOON + timedelta(seconds=30)]


def test_what_was_due_before_an_edit_is_a_row_of_the_old_version(world: World) -> None:
    world.apply(instance(overlap="allow"))
    world.clock.advance(timedelta(seconds=25))  # nobody has ticked: :10 and :20 are overdue
    world.put(instance(overlap="allow", command="[new]"), version=2)
    world.clock.advance(timedelta(seconds=7))
    world.intake.scan()
    world.tick()
    assert [(job["due"].second, job["version"]) for job in world.jobs()] == [
        (10, 1), (20, 1), (30, 2),
    ]  # fmt: skip
    world.scheduler.publish()
    assert [s.spec.command for s in world.commands()] == [(), (), ("new",)]


def test_a_live_job_is_started_as_its_own_version_says(world: World) -> None:
    world.apply(instance(command="[old]", overlap="queue_all"))
    world.pass_time(21)
    world.apply(instance(command="[new]", overlap="queue_all"), version=2)
    world.report(FIRST, D.SUCCEEDED)
    world.scheduler.publish()
    assert [s.job_id for s in world.commands()] == [FIRST, SECOND]
    with world.database.transaction() as transaction:
        known = world.scheduler.definitions.versions_of(transaction, [("a", 1), ("a", 2)])
    assert sorted(known) == [("a", 1), ("a", 2)]


def test_a_pause_skips_and_replays_nothing(world: World) -> None:
    world.apply(EVERY_10)
    world.apply(EVERY_10, paused=True)
    world.pass_time(25)
    assert world.told() == [("SKIPPED", "paused"), ("SKIPPED", "paused")]
    world.apply(EVERY_10)
    world.pass_time(10)
    assert world.states()[2:] == ["QUEUED"]


def test_what_was_due_in_a_pause_is_skipped_although_it_ended_unseen(world: World) -> None:
    world.apply(EVERY_10)
    world.apply(EVERY_10, paused=True)
    world.clock.advance(timedelta(seconds=25))
    world.put(EVERY_10)
    world.clock.advance(timedelta(seconds=6))
    world.intake.scan()
    world.tick()
    assert world.told() == [("SKIPPED", "paused"), ("SKIPPED", "paused"), ("QUEUED", None)]


def test_a_paused_instance_goes_on_running(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.RUNNING)
    world.apply(EVERY_10, paused=True)
    world.report(FIRST, D.SUCCEEDED)
    assert world.states() == ["SUCCEEDED"]


def test_a_deleted_instance_is_due_no_more_and_its_jobs_are_stopped(world: World) -> None:
    world.apply(instance(overlap="queue_one"))
    world.pass_time(21)
    world.report(FIRST, D.RUNNING)
    world.apply(instance(overlap="queue_one"), deleted=True)
    world.pass_time(20)
    assert world.told() == [("RUNNING", None), ("CANCELLED", "user")]
    assert world.kills() == [(FIRST, "user")]


def test_a_stale_owner_writes_nothing(world: World) -> None:
    """G2: a replica that was frozen and lost its shards is refused inside its transaction."""
    world.apply(EVERY_10)
    stale = world.scheduler
    world.start()  # another life under the same name: a new epoch
    world.clock.advance(timedelta(seconds=11))
    stale.leases._renewed_at = world.clock.monotonic()  # it does not know how long it slept
    with pytest.raises(LeaseLostError):
        stale.tick()
    assert world.jobs() == []


def test_a_replica_whose_lease_ran_out_by_its_own_clock_does_not_try(world: World) -> None:
    world.apply(EVERY_10)
    world.clock.advance(timedelta(seconds=11))
    world.scheduler.tick()
    assert world.jobs() == []
    world.scheduler.hold_shards()
    world.tick()
    assert len(world.jobs()) == 1


def test_every_move_is_recorded_and_terminal_states_stay(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    for state in (D.STARTING, D.RUNNING, D.SUCCEEDED):
        world.report(FIRST, state)
    world.report(FIRST, D.FAILED, reason="oom")
    assert world.moves(FIRST) == ["QUEUED", "STARTING", "RUNNING", "SUCCEEDED"]
    assert world.states() == [JobState.SUCCEEDED]


def test_old_and_doubled_snapshots_change_nothing(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report(FIRST, D.RUNNING, revision=5)
    world.report(FIRST, D.STARTING, revision=4)
    world.report(FIRST, D.RUNNING, revision=5)
    assert world.moves(FIRST) == ["QUEUED", "RUNNING"]


def test_the_auditor_finds_what_is_missing(world: World) -> None:
    world.apply(instance(overlap="allow", instances="2"))
    world.pass_time(35)
    world.auditor.run_once()
    assert world.auditor.imbalance == 0
    world.run("delete_job", job=SECOND)
    world.auditor.run_once()
    assert world.auditor.imbalance == 1


def test_after_a_restart_the_first_starts_go_out_before_the_many(world: World) -> None:
    world.apply("".join(instance(f"i{number}", overlap="allow") for number in range(150)))
    world.clock.advance(timedelta(seconds=10))
    again = world.start()
    again.scheduler.tick()
    assert len(again.commands()) == 100
    again.scheduler.tick()
    assert len(again.commands()) == 150


def test_a_start_whose_round_fails_right_after_its_commit_is_sent_by_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        if name == "scheduler.after_commit":
            raise FailpointError

    world.apply(EVERY_10)
    world.clock.advance(timedelta(seconds=10))
    world.scheduler.hold_shards()
    with monkeypatch.context() as patch:
        patch.setattr("common.failpoints.hook", fail)
        with pytest.raises(FailpointError):
            world.scheduler.tick()
    assert world.commands() == []
    world.scheduler.outbox.sweep()
    assert [start.job_id for start in world.commands()] == [FIRST]
