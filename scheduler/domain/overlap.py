"""What becomes of a job that is to run while others of its instance have not ended. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

MOST_QUEUED = 100


@dataclass(frozen=True)
class LiveJob:
    """A job of the instance that was queued and has not ended."""

    job_id: str
    due: datetime
    is_held: bool = False


class Admission(Enum):
    """Go now, wait behind the others, or not at all."""

    GO = "go"
    HOLD = "hold"
    SKIP = "skip"


def admit(policy: str, others: Sequence[LiveJob]) -> Admission:
    """Decide by the live jobs of the instance's other due times (schedule.md, 4).

    `replace` holds the new one as well: it goes when those before it are confirmed stopped.
    """
    if not others or policy == "allow":
        return Admission.GO
    held = len({job.due for job in others if job.is_held})
    match policy:
        case "queue_one" if not held:
            return Admission.HOLD
        case "queue_all" if held < MOST_QUEUED:
            return Admission.HOLD
        case "replace":
            return Admission.HOLD
        case _:
            return Admission.SKIP


def to_release(live: Sequence[LiveJob]) -> tuple[str, ...]:
    """Return the held jobs that may go: the oldest due time's, once nothing is ahead of them."""
    held = [job for job in live if job.is_held]
    if not held or len(held) < len(live):
        return ()
    oldest = min(job.due for job in held)
    return tuple(job.job_id for job in held if job.due == oldest)
