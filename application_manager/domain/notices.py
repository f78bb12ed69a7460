"""What people are told of, and when it is tried again. Pure.

- failed: FAILED, TIMED_OUT, LOST or UPSTREAM_FAILED; missed: MISSED;
- late: a container ran more than a minute after its due time;
- overran: its own time limit ended it;
- recovered: it ended well, after the one before it had not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from common.errors import Retryable
from common.jobs import JobState

LATE_MS = 60_000
_FAILED = frozenset(
    {JobState.FAILED, JobState.TIMED_OUT, JobState.LOST, JobState.UPSTREAM_FAILED}
)
WELL_ENDED = frozenset({JobState.SUCCEEDED, JobState.ENDED})
BADLY_ENDED = _FAILED | {JobState.MISSED}
_WAITS_S = (1, 5, 30, 120, 600, 1800, 3600, 7200)
"""After the first try and each that follows: nine tries in four hours."""


class NotTakenError(Retryable):
    """The receiver answered something else than that it took the notice."""


@dataclass(frozen=True)
class Happened:
    """A change of a job's state, and how the job before it ended."""

    to_state: JobState
    lateness_ms: int | None = None
    previous: JobState | None = None


def kinds_of(happened: Happened, wanted: Collection[str]) -> list[str]:
    """List what of a change somebody wants to be told, in a fixed order."""
    kinds = []
    if happened.to_state in _FAILED:
        kinds.append("failed")
    if happened.to_state is JobState.MISSED:
        kinds.append("missed")
    if happened.to_state is JobState.RUNNING and (happened.lateness_ms or 0) > LATE_MS:
        kinds.append("late")
    if happened.to_state is JobState.TIMED_OUT:
        kinds.append("overran")
    if happened.to_state in WELL_ENDED and happened.previous in BADLY_ENDED:
        kinds.append("recovered")
    return [kind for kind in kinds if kind in wanted]


def wait_before(tries: int) -> timedelta | None:
    """Return how long to wait after so many tries; None: give up."""
    if tries > len(_WAITS_S):
        return None
    return timedelta(seconds=_WAITS_S[tries - 1])
