"""The life of a job: the one table of legal moves, and what a deployment's snapshot means to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.errors import Permanent
from common.jobs import TERMINAL, JobState, Reason
from common.messages import DeploymentChanged, DeploymentState

S = JobState
_UNSTARTED_ENDS = {S.MISSED, S.SKIPPED, S.CANCELLED, S.UPSTREAM_FAILED, S.FAILED}
_ENDS = {S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.ENDED, S.CANCELLED, S.LOST}

MOVES: dict[JobState | None, set[JobState]] = {
    None: {S.PLANNED, S.WAITING, S.QUEUED, S.MISSED, S.SKIPPED, S.CANCELLED, S.UPSTREAM_FAILED},
    S.PLANNED: {S.WAITING, S.QUEUED} | _UNSTARTED_ENDS,
    S.WAITING: {S.QUEUED} | _UNSTARTED_ENDS,
    # A container's whole life may pass between two reports: QUEUED may see its end at once.
    S.QUEUED: {S.STARTING, S.RUNNING, S.STOPPING, S.UNKNOWN, S.MISSED, S.SKIPPED} | _ENDS,
    S.STARTING: {S.QUEUED, S.RUNNING, S.STOPPING, S.UNKNOWN, S.MISSED} | _ENDS,
    S.RUNNING: {S.QUEUED, S.STOPPING, S.UNKNOWN} | _ENDS,
    S.STOPPING: {S.UNKNOWN, S.MISSED} | _ENDS,
    S.UNKNOWN: {S.QUEUED, S.STARTING, S.RUNNING, S.STOPPING, S.MISSED} | _ENDS,
}

REVIVED = {S.FAILED, S.TIMED_OUT, S.LOST, S.CANCELLED, S.MISSED, S.SKIPPED, S.UPSTREAM_FAILED}
"""What a person may have tried again: the one way out of a terminal state (ADR 12)."""

_STATE_OF = {
    DeploymentState.PENDING: S.QUEUED,
    DeploymentState.STARTING: S.STARTING,
    DeploymentState.RUNNING: S.RUNNING,
    DeploymentState.STOPPING: S.STOPPING,
    DeploymentState.UNKNOWN: S.UNKNOWN,
    DeploymentState.SUCCEEDED: S.SUCCEEDED,
    DeploymentState.FAILED: S.FAILED,
    DeploymentState.TIMED_OUT: S.TIMED_OUT,
    DeploymentState.ENDED: S.ENDED,
    DeploymentState.CANCELLED: S.CANCELLED,
    DeploymentState.MISSED: S.MISSED,
    DeploymentState.LOST: S.LOST,
}

_RETRIED = {S.FAILED, S.TIMED_OUT, S.LOST}
_FIRST_BACKOFF = timedelta(seconds=2)
_LONGEST_BACKOFF = timedelta(minutes=5)


class IllegalMoveError(Permanent):
    """A job may not move between these states."""


def check_move(before: JobState | None, after: JobState) -> None:
    """Raise `IllegalMoveError` unless the move is in the table; terminal states never change."""
    if not can_move(before, after):
        raise IllegalMoveError(f"{before} → {after}")


def can_move(before: JobState | None, after: JobState) -> bool:
    return after in MOVES.get(before, set())


@dataclass(frozen=True)
class JobView:
    """What deciding needs of one row of the ledger."""

    state: JobState
    attempt: int
    revision: int
    stop_at: datetime | None
    desired_stop: Reason | None = None
    is_held: bool = False


@dataclass(frozen=True)
class RetryPolicy:
    """What the version that a job was made of says about another attempt.

    `on_node_lost` "reschedule" gives one for each node that is lost under it, beside the `retries`.
    `on_node_lost` "fail" calls a job LOST while its container may live on: that is never retried,
    since two attempts of one job would run at once (G4).
    """

    retries: int = 0
    on_node_lost: str = "wait"


@dataclass(frozen=True)
class Outcome:
    """What a snapshot does to a job: its new state, or another attempt."""

    state: JobState
    reason: Reason | None
    retry_at: datetime | None = None


def apply_snapshot(
    job: JobView, snapshot: DeploymentChanged, policy: RetryPolicy, now: datetime
) -> Outcome | None:
    """Decide what a deployment's snapshot means; None where it is old, doubled or too late."""
    if job.state in TERMINAL or snapshot.attempt != job.attempt:
        return None
    if snapshot.revision <= job.revision:
        return None
    state = _STATE_OF[snapshot.state]
    if state is not job.state and not can_move(job.state, state):
        return None
    retry_at = _retry_at(job, state, policy, now)
    if retry_at is not None:
        return Outcome(S.QUEUED, None, retry_at)
    if state is S.MISSED and job.attempt > 1:  # an attempt before this one did run, and failed
        return Outcome(S.FAILED, snapshot.reason)
    return Outcome(state, snapshot.reason)


def is_uncommanded(job: JobView) -> bool:
    """Tell whether no start of this job can have been sent: it may end without asking anybody.

    A queued one that is not held may have been sent, confirmed or not: only a kill ends it, and
    that kill wins over a start that arrives later.
    """
    is_waiting = job.state in {S.PLANNED, S.WAITING}
    return is_waiting or (job.state is S.QUEUED and job.is_held)


def end_of_wish(reason: Reason, attempt: int = 1) -> tuple[JobState, Reason]:
    """Return how an uncommanded job ends for which a stop is wished.

    One that is tried again was not missed: an attempt before this one came to a bad end.
    """
    state, told = _end_of_wish(reason)
    return (S.FAILED if state is S.MISSED and attempt > 1 else state), told


def _end_of_wish(reason: Reason) -> tuple[JobState, Reason]:
    match reason:
        case Reason.USER | Reason.REPLACED:
            return S.CANCELLED, reason
        case Reason.START_DEADLINE | Reason.DEP_TIMEOUT:
            return S.MISSED, reason
        case _:
            return S.MISSED, Reason.WINDOW_CLOSED


@dataclass(frozen=True)
class Limits:
    """The instants at which a job must end, and whether it has started its way."""

    stop_at: datetime | None
    stop_reason: Reason | None
    start_by: datetime

    def next_stop(self, job: JobView) -> datetime | None:
        """Return when a job must be looked at: its stop time, or the end of its patience."""
        if job.state in TERMINAL or job.desired_stop is not None:
            return None
        if not is_uncommanded(job):
            return self.stop_at
        return self.start_by if self.stop_at is None else min(self.stop_at, self.start_by)

    def reason_now(self, job: JobView, now: datetime) -> Reason | None:
        """Return why a job must stop now, if it must."""
        if self.stop_at is not None and self.stop_at <= now:
            return self.stop_reason or Reason.END_TIME
        if is_uncommanded(job) and self.start_by <= now:
            return Reason.DEP_TIMEOUT if job.state is S.WAITING else Reason.START_DEADLINE
        return None


def _retry_at(
    job: JobView, state: JobState, policy: RetryPolicy, now: datetime
) -> datetime | None:
    """Return when another attempt is due: doubled pauses, never past the stop time."""
    is_moved = state is S.LOST and policy.on_node_lost == "reschedule"
    may_again = is_moved or (state in _RETRIED and job.attempt <= policy.retries)
    if not may_again or job.desired_stop is not None:
        return None
    if state is S.LOST and policy.on_node_lost == "fail":
        return None
    pause = min(_FIRST_BACKOFF * 2 ** min(job.attempt - 1, 10), _LONGEST_BACKOFF)
    retry_at = now + pause
    return None if job.stop_at is not None and retry_at >= job.stop_at else retry_at
