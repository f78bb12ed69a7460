"""What was written ahead of its due time, and is undone when a change comes before that.

Its command waits in the outbox until then, so nobody has seen it; the caller holds the locks of the
instances' schedules and the scheduler's lock. Should the transaction fail after all, the rows are
there and expected no more: a sweep sends them when they are due.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from scheduler.ending import Ending
from scheduler.outbox import Outbox


def take_back(
    ending: Ending, outbox: Outbox, instances: Collection[str]
) -> dict[str, datetime]:
    """Undo what is not due yet; return the due time at which each of these instances is again."""
    if not instances:
        return {}
    transaction = ending.transaction
    rows = transaction.all("ahead_of", instances=sorted(instances), now=ending.now)
    jobs = outbox.withdraw({row["job_id"] for row in rows})
    if not jobs:
        return {}
    transaction.execute("take_back_births", jobs=sorted(jobs))
    transaction.execute("take_back_jobs", jobs=sorted(jobs))
    ending.ended |= jobs
    return {row["instance_id"]: row["due"] for row in reversed(rows) if row["job_id"] in jobs}
