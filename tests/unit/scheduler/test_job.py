"""The table of legal moves, and what a deployment's snapshot means to a job."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.jobs import TERMINAL, JobState, Reason
from common.messages import DeploymentChanged, DeploymentState
from scheduler.domain.job import (
    MOVES,
    REVIVED,
    IllegalMoveError,
    JobView,
    Limits,
    RetryPolicy,
    apply_snapshot,
    can_move,
    check_move,
    end_of_wish,
    is_uncommanded,
)
from tests.unit.scheduler.build import NOON, at

S, D, R = JobState, DeploymentState, Reason
LIVE = set(S) - TERMINAL
RUNNING = JobView(S.RUNNING, 1, 5, None)


def news(state: D, revision: int = 6, **more: object) -> DeploymentChanged:
    fields = {"job_id": "a.1", "attempt": 1} | more
    return DeploymentChanged(state=state, revision=revision, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", sorted(TERMINAL))
def test_terminal_states_never_change(before):
    assert not any(can_move(before, after) for after in S)
    with pytest.raises(IllegalMoveError):
        check_move(before, S.QUEUED)


@pytest.mark.parametrize("before", sorted(LIVE))
def test_every_live_state_has_a_way_to_an_end_and_no_move_to_itself(before):
    assert MOVES[before] & TERMINAL
    assert before not in MOVES[before]


def test_a_job_is_born_waiting_queued_or_ended_without_a_start():
    assert MOVES[None] & {S.STARTING, S.RUNNING, S.STOPPING, S.SUCCEEDED, S.FAILED} == set()
    check_move(None, S.QUEUED)


def test_only_what_ended_badly_is_revived():
    assert REVIVED < TERMINAL
    assert not REVIVED & {S.SUCCEEDED, S.ENDED}


@settings(deadline=None)
@given(
    state=st.sampled_from(S), attempt=st.integers(1, 3), revision=st.integers(0, 9),
    new=st.sampled_from(D), new_attempt=st.integers(1, 3), new_revision=st.integers(0, 9),
    retries=st.integers(0, 3),
)  # fmt: skip
def test_whatever_comes_the_result_is_a_legal_move(
    *, state, attempt, revision, new, new_attempt, new_revision, retries
):
    job = JobView(state, attempt, revision, None)
    snapshot = news(new, new_revision, attempt=new_attempt)
    outcome = apply_snapshot(job, snapshot, RetryPolicy(retries), NOON)
    if outcome is None:
        return
    assert (new_attempt, new_revision > revision) == (attempt, True)
    assert state not in TERMINAL
    assert outcome.state is state or can_move(state, outcome.state) or outcome.retry_at


@pytest.mark.parametrize(("snapshot", "expected"), [
    (news(D.SUCCEEDED), S.SUCCEEDED), (news(D.UNKNOWN), S.UNKNOWN), (news(D.PENDING), S.QUEUED),
    (news(D.RUNNING, 5), None), (news(D.FAILED, 9, attempt=2), None), (news(D.STARTING), None),
])  # fmt: skip
def test_snapshots_apply_by_attempt_and_revision(snapshot, expected):
    outcome = apply_snapshot(RUNNING, snapshot, RetryPolicy(), NOON)
    assert (outcome.state if outcome else None) == expected


@pytest.mark.parametrize(("attempt", "pause_s"), [(1, 2), (2, 4), (3, 8), (8, 256), (20, 300)])
def test_retries_back_off(attempt, pause_s):
    job = replace(RUNNING, attempt=attempt)
    outcome = apply_snapshot(job, news(D.FAILED, attempt=attempt), RetryPolicy(99), NOON)
    assert outcome is not None
    assert outcome.retry_at == NOON + timedelta(seconds=pause_s)


def test_reschedule_gives_another_attempt_for_a_lost_node_and_for_nothing_else():
    policy = RetryPolicy(0, "reschedule")
    outcome = apply_snapshot(RUNNING, news(D.LOST), policy, NOON)
    assert (outcome.state, outcome.retry_at) == (S.QUEUED, NOON + timedelta(seconds=2))
    assert apply_snapshot(RUNNING, news(D.FAILED), policy, NOON).state is S.FAILED
    assert apply_snapshot(RUNNING, news(D.LOST), RetryPolicy(0, "wait"), NOON).state is S.LOST


@pytest.mark.parametrize(("job", "policy", "state"), [
    (RUNNING, RetryPolicy(0), D.FAILED),
    (replace(RUNNING, stop_at=at(2)), RetryPolicy(0, "reschedule"), D.LOST),
    (replace(RUNNING, desired_stop=R.USER), RetryPolicy(0, "reschedule"), D.LOST),
    (replace(RUNNING, stop_at=at(2)), RetryPolicy(1), D.FAILED),
    (replace(RUNNING, desired_stop=R.USER), RetryPolicy(1), D.FAILED),
    (RUNNING, RetryPolicy(1, "fail"), D.LOST),
    (RUNNING, RetryPolicy(1), D.CANCELLED),
])  # fmt: skip
def test_what_is_not_tried_again(job, policy, state):
    outcome = apply_snapshot(job, news(state), policy, NOON)
    assert outcome is not None
    assert outcome.retry_at is None
    assert outcome.state in TERMINAL


def test_only_what_was_never_sent_ends_without_a_kill():
    views = {state: JobView(state, 1, 0, None) for state in LIVE}
    assert {s for s, view in views.items() if is_uncommanded(view)} == {S.PLANNED, S.WAITING}
    assert is_uncommanded(replace(views[S.QUEUED], is_held=True))


@pytest.mark.parametrize(("wish", "end"), [
    (R.USER, (S.CANCELLED, R.USER)), (R.REPLACED, (S.CANCELLED, R.REPLACED)),
    (R.END_TIME, (S.MISSED, R.WINDOW_CLOSED)), (R.DURATION, (S.MISSED, R.WINDOW_CLOSED)),
    (R.DEP_TIMEOUT, (S.MISSED, R.DEP_TIMEOUT)), (R.START_DEADLINE, (S.MISSED, R.START_DEADLINE)),
])  # fmt: skip
def test_how_an_unstarted_job_ends(wish, end):
    assert end_of_wish(wish) == end


WAITING = JobView(S.WAITING, 1, 0, None)
HELD = JobView(S.QUEUED, 1, 0, None, is_held=True)


@pytest.mark.parametrize(("job", "stop_s", "next_s", "now_s", "reason"), [
    (RUNNING, 50, 50, 50, R.DURATION), (RUNNING, None, None, 500, None),
    (RUNNING, 50, 50, 49, None), (WAITING, None, 10, 10, R.DEP_TIMEOUT),
    (WAITING, 5, 5, 5, R.DURATION), (HELD, None, 10, 11, R.START_DEADLINE),
    (replace(RUNNING, state=S.QUEUED), None, None, 11, None),
    (replace(RUNNING, state=S.SUCCEEDED), 50, None, 0, None),
    (replace(RUNNING, desired_stop=R.USER), 50, None, 0, None),
])  # fmt: skip
def test_when_a_job_must_stop(job, stop_s, next_s, now_s, reason):
    limits = Limits(None if stop_s is None else at(stop_s), R.DURATION, at(10))
    assert limits.next_stop(job) == (None if next_s is None else at(next_s))
    assert limits.reason_now(job, at(now_s)) is reason


@pytest.mark.parametrize("reason", [R.WINDOW_CLOSED, R.START_DEADLINE])
def test_a_retry_that_comes_too_late_leaves_the_job_failed_since_it_did_run(reason):
    second = JobView(S.QUEUED, 2, 0, None)
    missed = news(D.MISSED, 1, attempt=2, reason=reason)
    outcome = apply_snapshot(second, missed, RetryPolicy(3), NOON)
    assert (outcome.state, outcome.reason) == (S.FAILED, reason)
    first = JobView(S.QUEUED, 1, 0, None)
    outcome = apply_snapshot(first, news(D.MISSED, 1, reason=reason), RetryPolicy(3), NOON)
    assert outcome.state is S.MISSED
