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
    S.UNKNOWN: {S.QUEUED, S.STARTING, S.RUNNING, S.STOPPING} | _ENDS,
}

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
    if after not in MOVES.get(before, set()):
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


@dataclass(frozen=True)
class Outcome:
    """What a snapshot does to a job: its new state, or another attempt."""

    state: JobState
    reason: Reason | None
    retry_at: datetime | None = None


def apply_snapshot(
    job: JobView, snapshot: DeploymentChanged, retries: int, now: datetime
) -> Outcome | None:
    """Decide what a deployment's snapshot means; None where it is old, doubled or too late."""
    if job.state in TERMINAL or snapshot.attempt != job.attempt:
        return None
    if snapshot.revision <= job.revision:
        return None
    state = _STATE_OF[snapshot.state]
    if state is not job.state and not can_move(job.state, state):
        return None
    retry_at = _retry_at(job, state, retries, now)
    if retry_at is not None:
        return Outcome(S.QUEUED, None, retry_at)
    return Outcome(state, snapshot.reason)


def _retry_at(job: JobView, state: JobState, retries: int, now: datetime) -> datetime | None:
    """Return when another attempt is due: doubled pauses, never past the stop time."""
    if state not in _RETRIED or job.attempt > retries or job.desired_stop is not None:
        return None
    pause = min(_FIRST_BACKOFF * 2 ** min(job.attempt - 1, 10), _LONGEST_BACKOFF)
    retry_at = now + pause
    return None if job.stop_at is not None and retry_at >= job.stop_at else retry_at
