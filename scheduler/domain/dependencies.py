"""Whether a job that waits for its parents may go, must give up, or waits on. Pure.

Which due times of its parents it waits for is in `scheduler.domain.cycles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from common.jobs import TERMINAL, JobState

_GOOD = {JobState.SUCCEEDED, JobState.ENDED}
_UNSTARTED = {JobState.PLANNED, JobState.WAITING, JobState.QUEUED, JobState.STARTING}
_NEVER_STARTED = {
    JobState.MISSED, JobState.SKIPPED, JobState.UPSTREAM_FAILED, JobState.CANCELLED,
}  # fmt: skip


class Verdict(Enum):
    """What an edge, or all of a job's edges, say."""

    SATISFIED = "satisfied"
    WAITING = "waiting"
    IMPOSSIBLE = "impossible"


def judge_edge(ends: str, parents: Sequence[JobState]) -> Verdict:
    """Judge one edge by the states of all ordinals of the parent's due time.

    No parent row yet is waiting; ENDED counts as success (schedule.md, 4).
    """
    if not parents:
        return Verdict.WAITING
    all_ended = all(state in TERMINAL for state in parents)
    match ends:
        case "success":
            holds = all(state in _GOOD for state in parents)
        case "failure":
            holds = all_ended and any(state not in _GOOD for state in parents)
        case "done":
            holds = all_ended
        case _:
            holds = all(state not in _UNSTARTED | _NEVER_STARTED for state in parents)
    if holds:
        return Verdict.SATISFIED
    has_failed = ends == "success" and any(s in TERMINAL and s not in _GOOD for s in parents)
    return Verdict.IMPOSSIBLE if all_ended or has_failed else Verdict.WAITING


def judge_all(verdicts: Sequence[Verdict]) -> Verdict:
    """Judge a job: every edge must hold; one that cannot is enough to give up."""
    if Verdict.IMPOSSIBLE in verdicts:
        return Verdict.IMPOSSIBLE
    return Verdict.WAITING if Verdict.WAITING in verdicts else Verdict.SATISFIED
