"""The client's decision: each rule by itself, then all orders of events at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.jobs import Reason
from common.messages import ContainerState, RunSpec, StartContainer, StopCause
from node_manager.client.domain.actions import (
    Announce,
    Create,
    End,
    Fetch,
    Finish,
    Kill,
    Remove,
    Restart,
    Start,
    Wait,
)
from node_manager.client.domain.attempt import (
    Accepted,
    Ending,
    Failed,
    Finished,
    Key,
    Launching,
    Ran,
    Record,
    Revoked,
    Seen,
    Sent,
    Status,
    apply,
    entries_of,
    may_forget,
)
from node_manager.client.domain.decide import CREATE_AHEAD, LEAD_TIME, decide

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
KEY = Key("hall-heating.20261123T080000Z.0", 1)
SECOND = timedelta(seconds=1)


def start(epoch=1, **fields):
    spec = fields.pop("spec", {})
    return StartContainer(
        node_id="m1", job_id=KEY.job_id, attempt=1, epoch=epoch, instance_id="hall-heating",
        due=NOW, ordinal=0, not_before=fields.pop("not_before", NOW),
        expires_at=fields.pop("expires_at", NOW + timedelta(minutes=5)),
        spec=RunSpec(image="app", **spec), **fields,
    )


def record(*entries):
    result = Record()
    for entry in entries:
        result = apply(result, entry)
    return result


def stop(epoch=1, grace_s=10, at=NOW):
    return Revoked(KEY.job_id, 1, epoch, grace_s, at)


def seen(status=Status.RUNNING, **fields):
    fields.setdefault("epoch", 1)
    if status is not Status.CREATED:
        fields.setdefault("started_at", NOW)
    return Seen(container_id="c1", status=status, **fields)


def test_new_command_creates_then_starts():
    accepted = record(Accepted(start()))
    assert decide(KEY, accepted, None, NOW) == Create()
    assert decide(KEY, accepted, seen(Status.CREATED), NOW) == Start()


def test_early_command_is_created_and_waits_for_its_time():
    due = NOW + 20 * SECOND
    accepted = record(Accepted(start(not_before=due)))
    assert decide(KEY, accepted, None, NOW) == Create()
    waits = Wait(due, is_urgent=False)
    assert decide(KEY, accepted, seen(Status.CREATED), NOW) == waits
    assert decide(KEY, accepted, seen(Status.CREATED), due - SECOND / 1000) == waits
    assert decide(KEY, accepted, seen(Status.CREATED), due) == Start()


def test_a_command_hours_ahead_pulls_then_creates_each_at_its_time():
    due = NOW + timedelta(hours=3)
    accepted = record(Accepted(start(not_before=due, expires_at=due + SECOND)))
    assert decide(KEY, accepted, None, NOW) == Wait(due - LEAD_TIME, is_urgent=False)
    assert decide(KEY, accepted, None, due - LEAD_TIME) == Fetch()
    fetched = replace(accepted, fetched=True)
    creates = Wait(due - CREATE_AHEAD, is_urgent=False)
    assert decide(KEY, fetched, None, due - LEAD_TIME) == creates
    assert decide(KEY, fetched, None, due - CREATE_AHEAD) == Create()


def test_a_stop_wins_over_preparing():
    due = NOW + timedelta(hours=3)
    stopped = record(Accepted(start(not_before=due, expires_at=due + SECOND)), stop())
    assert decide(KEY, stopped, None, due - LEAD_TIME).report.state is ContainerState.REFUSED


@pytest.mark.parametrize(("ended_s", "cause"), [
    (59, None), (60, StopCause.DEADLINE), (61, StopCause.DEADLINE)])
def test_what_the_watchdog_stopped_reached_its_stop_time(ended_s, cause):
    ended = seen(Status.EXITED, exit_code=143, ended_at=NOW + ended_s * SECOND)
    command = Accepted(start(stop_at=NOW + 60 * SECOND))
    report = decide(KEY, record(command), ended, NOW + timedelta(hours=1)).report
    assert report.stop_cause is cause
    timed = replace(ended, timeout_s=30)
    assert decide(KEY, Record(), timed, NOW).report.stop_cause is StopCause.TIMEOUT


def test_a_kill_that_was_not_ours_is_explained():
    ended = seen(Status.EXITED, exit_code=137, ended_at=NOW)
    assert "out of memory" in decide(KEY, record(Accepted(start())), ended, NOW).report.detail
    ours = record(Accepted(start()), Ending(KEY.job_id, 1, StopCause.COMMAND, NOW, NOW))
    assert decide(KEY, ours, ended, NOW).report.detail is None


@pytest.mark.parametrize(("fields", "entries", "state"), [
    ({"exit_code": 255}, (), ContainerState.GONE),  # Docker's word for what it lost sight of
    ({"exit_code": 137}, (), ContainerState.GONE),
    ({"exit_code": 0}, (), ContainerState.EXITED),  # its program ended, before the reboot
    ({"exit_code": 3}, (), ContainerState.EXITED),
    ({"exit_code": 137, "oom_killed": True}, (), ContainerState.EXITED),
    ({"exit_code": 255, "stop_at": NOW}, (), ContainerState.EXITED),  # its time was over anyway
    ({"exit_code": 143}, (stop(), Ending(KEY.job_id, 1, StopCause.COMMAND, NOW, NOW)),
     ContainerState.EXITED),
    ({"exit_code": 255, "is_of_former_boot": False}, (), ContainerState.EXITED),
])
def test_a_run_that_a_reboot_ended_is_gone_with_its_machine(fields, entries, state):
    ended = seen(Status.EXITED, **{"ended_at": NOW, "is_of_former_boot": True, **fields})
    command = start(stop_at=fields.get("stop_at"))
    action = decide(KEY, record(Accepted(command), *entries), ended, NOW)
    assert action.report.state is state
    assert ("started anew" in (action.report.detail or "")) is (state is ContainerState.GONE)


def test_what_went_with_its_machine_is_not_run_here_again_by_a_later_epoch():
    ended = seen(Status.EXITED, ended_at=NOW, exit_code=255, is_of_former_boot=True)
    accepted = record(Accepted(start()))
    told = apply(accepted, Finished(decide(KEY, accepted, ended, NOW).report))
    again = apply(told, Accepted(start(epoch=2)))
    assert (again.finished.state, again.finished.epoch) == (ContainerState.GONE, 2)


def test_out_of_memory_is_not_told_of_what_ended_well():
    for code, is_told in ((137, True), (0, False)):
        ended = seen(Status.EXITED, exit_code=code, oom_killed=True, ended_at=NOW)
        action = decide(KEY, record(Accepted(start())), ended, NOW)
        assert action.report.oom_killed is is_told


@pytest.mark.parametrize("fields", [
    {"expires_at": NOW}, {"expires_at": NOW + SECOND, "stop_at": NOW},
])
def test_expired_command_is_refused(fields):
    action = decide(KEY, record(Accepted(start(**fields))), None, NOW)
    assert isinstance(action, Finish)
    assert (action.report.state, action.report.stop_cause) == (
        ContainerState.REFUSED, StopCause.EXPIRED)


def test_expired_while_created_is_refused_then_removed():
    expired = record(Accepted(start(expires_at=NOW)))
    action = decide(KEY, expired, seen(Status.CREATED), NOW)
    assert isinstance(action, Finish)
    assert action.report.stop_cause is StopCause.EXPIRED
    told = apply(expired, Finished(action.report))
    assert decide(KEY, told, seen(Status.CREATED), NOW) == Remove()


def test_a_start_that_may_have_happened_is_never_made_again():
    accepted = record(Accepted(start()), Launching(KEY.job_id, 1))
    assert decide(KEY, accepted, seen(Status.CREATED), NOW) == Start()
    action = decide(KEY, accepted, None, NOW)
    assert isinstance(action, Finish)
    assert action.report.state is ContainerState.EXITED


def test_running_is_announced_once_with_dockers_start_time():
    accepted = record(Accepted(start()))
    action = decide(KEY, accepted, seen(started_at=NOW + SECOND), NOW + 2 * SECOND)
    assert isinstance(action, Announce)
    assert action.report.started_at == NOW + SECOND
    told = Record(command=accepted.command, announced=True)
    assert decide(KEY, told, seen(), NOW) == Wait(None)


def test_same_or_higher_stop_refuses_a_later_start():
    for epoch in (1, 2):
        action = decide(KEY, record(stop(epoch), Accepted(start(1))), None, NOW)
        assert isinstance(action, Finish)
        assert action.report.state is ContainerState.REFUSED
        assert action.report.stop_cause is StopCause.COMMAND


def test_a_start_above_the_stop_is_allowed():
    assert decide(KEY, record(stop(1), Accepted(start(2))), None, NOW) == Create()


def test_stop_for_nothing_is_answered_gone_under_its_epoch():
    action = decide(KEY, record(stop(3)), None, NOW)
    assert isinstance(action, Finish)
    assert (action.report.state, action.report.epoch) == (ContainerState.GONE, 3)


def test_stop_ends_a_running_container_with_its_grace_then_kills():
    running = record(Accepted(start()), stop(grace_s=3))
    action = decide(KEY, running, seen(), NOW)
    assert isinstance(action, End)
    assert (action.ending.cause, action.ending.kill_at) == (StopCause.COMMAND, NOW + 3 * SECOND)
    signalled = Record(
        command=running.command, revoked=running.revoked, ending=action.ending, signalled=True)
    assert decide(KEY, signalled, seen(), NOW + SECOND) == Wait(NOW + 3 * SECOND)
    assert decide(KEY, signalled, seen(), NOW + 3 * SECOND) == Kill()


def test_a_crash_between_decision_and_signal_sends_the_signal_again():
    ending = Ending(KEY.job_id, 1, StopCause.DEADLINE, NOW, NOW + 10 * SECOND)
    assert decide(KEY, record(Accepted(start()), ending), seen(), NOW + SECOND) == End(ending)


def test_a_stop_with_less_grace_shortens_an_ending_and_a_longer_one_does_not_lengthen_it():
    ending = Ending(KEY.job_id, 1, StopCause.DEADLINE, NOW, NOW + 10 * SECOND)
    short = decide(KEY, record(Accepted(start()), ending, stop(grace_s=2)), seen(), NOW)
    assert isinstance(short, End)
    assert (short.ending.kill_at, short.ending.cause) == (NOW + 2 * SECOND, StopCause.DEADLINE)
    assert decide(KEY, record(Accepted(start()), ending, stop(grace_s=60)), seen(), NOW) == End(
        ending)


def test_stop_for_a_lower_epoch_does_not_stop():
    running = record(Accepted(start(2)), stop(1))
    assert isinstance(decide(KEY, running, seen(epoch=2), NOW), Announce)


def test_deadline_is_kept_from_labels_alone():
    labelled = seen(stop_at=NOW, grace_s=4)
    action = decide(KEY, Record(), labelled, NOW)
    assert isinstance(action, End)
    assert (action.ending.cause, action.ending.kill_at) == (StopCause.DEADLINE, NOW + 4 * SECOND)


def test_timeout_counts_from_the_first_start_over_restarts():
    timed = record(Accepted(start(spec={"timeout_s": 60})), Ran(KEY.job_id, 1, NOW, 3))
    action = decide(KEY, timed, seen(started_at=NOW + 55 * SECOND), NOW + 60 * SECOND)
    assert isinstance(action, End)
    assert action.ending.cause is StopCause.TIMEOUT


def test_own_end_is_reported_without_a_cause():
    ended = seen(Status.EXITED, exit_code=3, ended_at=NOW + SECOND)
    action = decide(KEY, record(Accepted(start())), ended, NOW + SECOND)
    assert isinstance(action, Finish)
    report = action.report
    assert (report.state, report.exit_code, report.stop_cause) == (ContainerState.EXITED, 3, None)


def test_end_before_our_signal_is_its_own_end():
    ending = Ending(KEY.job_id, 1, StopCause.DEADLINE, NOW + 2 * SECOND, NOW + 12 * SECOND)
    ended = seen(Status.EXITED, exit_code=0, ended_at=NOW + SECOND)
    action = decide(KEY, record(Accepted(start()), ending), ended, NOW + 3 * SECOND)
    assert isinstance(action, Finish)
    assert action.report.stop_cause is None


@pytest.mark.parametrize(("policy", "code", "again"), [
    ("never", 1, False), ("on-failure", 0, False), ("on-failure", 1, True), ("always", 0, True),
])
def test_restart_policy_within_the_job(policy, code, again):
    accepted = record(Accepted(start(spec={"restart": policy})), Ran(KEY.job_id, 1, NOW))
    ended = seen(Status.EXITED, exit_code=code, ended_at=NOW)
    if not again:
        assert isinstance(decide(KEY, accepted, ended, NOW), Finish)
        return
    assert decide(KEY, accepted, ended, NOW) == Wait(NOW + SECOND)
    assert decide(KEY, accepted, ended, NOW + SECOND) == Restart(Ran(KEY.job_id, 1, NOW, 1))


def test_no_restart_reaches_over_the_stop_time():
    accepted = record(Accepted(start(spec={"restart": "always"}, stop_at=NOW + SECOND)))
    ended = seen(Status.EXITED, exit_code=1, ended_at=NOW)
    action = decide(KEY, accepted, ended, NOW)
    assert isinstance(action, Finish)
    assert action.report.stop_cause is StopCause.DEADLINE


def test_a_run_that_vanished_is_never_created_again():
    action = decide(KEY, record(Accepted(start()), Ran(KEY.job_id, 1, NOW)), None, NOW)
    assert isinstance(action, Finish)
    assert action.report.state is ContainerState.EXITED


def test_a_strangers_container_with_our_name_is_left_alone():
    stranger = seen(is_ours=False)
    action = decide(KEY, record(Accepted(start())), stranger, NOW)
    assert isinstance(action, Finish)
    assert action.report.stop_cause is StopCause.CREATE_FAILED
    told = record(Accepted(start()), Finished(action.report), Sent(KEY.job_id, 1))
    assert decide(KEY, told, stranger, NOW + timedelta(days=1)) == Wait()


def test_ended_container_is_kept_until_told_and_a_minute_old():
    ended = seen(Status.EXITED, exit_code=0, ended_at=NOW)
    action = decide(KEY, record(Accepted(start())), ended, NOW)
    assert isinstance(action, Finish)
    unsent = record(Accepted(start()), Finished(action.report))
    later = NOW + timedelta(hours=1)
    assert decide(KEY, unsent, ended, later) == Wait()
    sent = apply(unsent, Sent(KEY.job_id, 1))
    assert decide(KEY, sent, ended, NOW + SECOND) == Wait(NOW + 60 * SECOND)
    assert decide(KEY, sent, ended, NOW + 60 * SECOND) == Remove()


def test_a_higher_epoch_gets_the_end_told_again_not_a_second_run():
    ended = seen(Status.EXITED, exit_code=0, ended_at=NOW)
    first = decide(KEY, record(Accepted(start())), ended, NOW)
    assert isinstance(first, Finish)
    again = record(Accepted(start()), Finished(first.report), Sent(KEY.job_id, 1),
                   Accepted(start(2)))
    assert not again.is_sent
    assert again.finished is not None
    assert again.finished.epoch == 2
    assert again.finished.id != first.report.id
    assert decide(KEY, again, None, NOW) == Wait()


def test_a_refusal_is_forgotten_by_a_higher_epoch():
    failed = Failed(KEY.job_id, 1, StopCause.PULL_FAILED, "no registry")
    refused = decide(KEY, record(Accepted(start()), failed), None, NOW)
    assert isinstance(refused, Finish)
    assert refused.report.stop_cause is StopCause.PULL_FAILED
    again = record(Accepted(start()), failed, Finished(refused.report), Accepted(start(2)))
    assert decide(KEY, again, None, NOW) == Create()


def test_records_survive_compaction_and_are_forgotten_in_time():
    gone = decide(KEY, record(stop()), None, NOW)
    assert isinstance(gone, Finish)
    full = record(Accepted(start()), stop(), Finished(gone.report), Sent(KEY.job_id, 1))
    assert record(*entries_of(full)) == full
    assert not may_forget(full, NOW + timedelta(days=7))
    assert may_forget(full, NOW + timedelta(days=9))
    assert Reason.USER  # the reason of a stop is the deployment manager's business
