"""What the end of a job sets free: the ones held behind it, and its dependents (schedule.md, 4).

Runs inside the transaction that records the end, so that a child never starts before it (G9).
"""

from __future__ import annotations

from datetime import datetime

from common.db import Transaction
from common.jobs import TERMINAL, JobState, Reason
from scheduler.domain.dependencies import Verdict, judge_all, judge_edge
from scheduler.store import record_moves


def release_after(
    transaction: Transaction, instance_id: str, due: datetime, now: datetime
) -> None:
    """Look at everything that a change of this instance's jobs of one due time may set free."""
    _release_held(transaction, instance_id)
    for row in transaction.all("children_waiting", parent=instance_id, due=due):
        judge_waiting(transaction, row["job_id"], now)


def judge_waiting(transaction: Transaction, job_id: str, now: datetime) -> None:
    """Queue a waiting job, or give it up, or leave it waiting."""
    job = transaction.one("lock_job", job_id=job_id)
    if job is None or job["state"] != JobState.WAITING:
        return
    verdicts = []
    for edge in transaction.all("edges_of", job_id=job_id):
        if edge["parent_due"] is None:
            continue  # nothing of this parent in this cycle
        rows = transaction.all(
            "parent_states", instance_id=edge["parent_instance"], due=edge["parent_due"]
        )
        verdicts.append(judge_edge(edge["ends"], [JobState(row["state"]) for row in rows]))
    match judge_all(verdicts):
        case Verdict.SATISFIED:
            transaction.execute("queue_job", job_id=job_id)
            _record(transaction, job_id, now, JobState.QUEUED, None)
        case Verdict.IMPOSSIBLE:
            end_unstarted(transaction, job_id, JobState.UPSTREAM_FAILED, Reason.DEP_FAILED, now)


def end_unstarted(
    transaction: Transaction, job_id: str, state: JobState, reason: Reason, now: datetime
) -> bool:
    """End a job that was never commanded; False where it has moved on meanwhile."""
    job = transaction.one("lock_job", job_id=job_id)
    if job is None or JobState(job["state"]) in TERMINAL or job["is_published"]:
        return False
    before = job["state"]
    transaction.execute(
        "end_unstarted", job_id=job_id, state=state, reason=reason, now=now, before=before
    )
    move = {"job_id": job_id, "attempt": job["attempt"], "from_state": before, "to_state": state,
            "reason": reason}  # fmt: skip
    record_moves(transaction, now, [move])
    release_after(transaction, job["instance_id"], job["due"], now)
    return True


def _release_held(transaction: Transaction, instance_id: str) -> None:
    """Let the oldest held due time go when nothing of the instance is ahead of it."""
    held = transaction.all("held_jobs", instance_id=instance_id)
    if not held:
        return
    live = transaction.all("live_jobs_of", instances=[instance_id])
    if any(not row["is_held"] for row in live):
        return
    for row in held:
        if row["due"] == held[0]["due"]:
            transaction.execute("queue_job", job_id=row["job_id"])


def _record(
    transaction: Transaction, job_id: str, now: datetime, state: JobState, reason: Reason | None
) -> None:
    move = {"job_id": job_id, "attempt": 1, "from_state": JobState.WAITING, "to_state": state,
            "reason": reason}  # fmt: skip
    record_moves(transaction, now, [move])
