"""Rows of the ledger to domain values and back. All SQL is in queries.sql."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from common.db import Row, Transaction
from common.jobs import TERMINAL, JobState, Reason, shard_of
from common.messages import encode
from common.schedule import spec_from_json
from scheduler.domain.fire import LiveJob
from scheduler.domain.job import JobView
from scheduler.domain.schedule import NewJob, Schedule, start_command


def schedule_from(row: Row) -> Schedule:
    """Read a row of `schedules`."""
    return Schedule(
        instance_id=row["instance_id"],
        shard=row["shard"],
        version=row["version"],
        spec=spec_from_json(row["spec"]),
        image=row["image"],
        command=tuple(json.loads(row["command"])),
        state=row["state"],
        next_due=row["next_due"],
        applied_at=row["applied_at"],
    )


def schedule_from_app(row: Row) -> Schedule:
    """Read a row of the application manager's `instances`; its next due time is not known yet."""
    state = "deleted" if row["deleted"] else "paused" if row["paused"] else "active"
    return Schedule(
        instance_id=row["instance_id"],
        shard=shard_of(row["instance_id"]),
        version=row["version"],
        spec=spec_from_json(row["spec"]),
        image=row["image"],
        command=tuple(json.loads(row["command"])),
        state=state,
        next_due=None,
        applied_at=row["applied_at"],
    )


def put_schedule(transaction: Transaction, schedule: Schedule) -> None:
    next_due = schedule.next_due
    transaction.execute(
        "put_schedule",
        instance_id=schedule.instance_id,
        shard=schedule.shard,
        version=schedule.version,
        spec=msgspec.json.encode(schedule.spec).decode(),
        image=schedule.image,
        command=json.dumps(schedule.command),
        state=schedule.state,
        next_due=next_due,
        next_stop=schedule.stop_of(next_due)[0] if next_due else None,
        applied_at=schedule.applied_at,
    )


def insert_jobs(
    transaction: Transaction, jobs: Iterable[tuple[Schedule, NewJob]], now: datetime
) -> list[NewJob]:
    """Write rows, edges and events of jobs that are not there yet; return those written."""
    pairs = list(jobs)
    if not pairs:
        return []
    ids = [job.job_id for _, job in pairs]
    there = {row["job_id"] for row in transaction.all("existing_jobs", jobs=ids)}
    fresh = [(schedule, job) for schedule, job in pairs if job.job_id not in there]
    transaction.execute_many("insert_jobs", [_job_row(s, j, now) for s, j in fresh])
    edges = [
        {"job_id": job.job_id, "parent_instance": edge.parent_instance, "ends": edge.ends,
         "parent_due": edge.parent_due}
        for _, job in fresh
        for edge in job.edges
    ]  # fmt: skip
    transaction.execute_many("insert_edges", edges)
    record_moves(transaction, now, [_birth(job) for _, job in fresh])
    return [job for _, job in fresh]


def record_moves(transaction: Transaction, now: datetime, moves: Sequence[dict[str, Any]]) -> None:
    """Append to `job_events`; each move names job_id, attempt, from_state, to_state, reason."""
    rows = [{"detail": None, **move, "at": now} for move in moves]
    transaction.execute_many("insert_events", rows)


def live_jobs_of(transaction: Transaction, instances: Sequence[str]) -> dict[str, list[LiveJob]]:
    """Return the live jobs of some instances."""
    found: dict[str, list[LiveJob]] = {}
    for row in transaction.all("live_jobs_of", instances=instances):
        live = LiveJob(row["job_id"], row["due"], bool(row["is_held"]))
        found.setdefault(row["instance_id"], []).append(live)
    return found


def view_of(row: Row) -> JobView:
    """Read what deciding needs of a row of `jobs`."""
    wish = row["desired_stop"]
    return JobView(
        state=JobState(row["state"]),
        attempt=row["attempt"],
        revision=row["revision"],
        stop_at=row["stop_at"],
        desired_stop=Reason(wish) if wish else None,
    )


def _job_row(schedule: Schedule, job: NewJob, now: datetime) -> dict[str, Any]:
    is_terminal = job.state in TERMINAL
    return {
        "job_id": job.job_id,
        "instance_id": job.instance_id,
        "due": job.due,
        "ordinal": job.ordinal,
        "shard": schedule.shard,
        "version": schedule.version,
        "state": job.state,
        "reason": job.reason,
        "detail": job.detail,
        "stop_at": job.stop_at,
        "start_by": job.start_by,
        "count": job.count,
        "until": job.until,
        "is_held": job.is_held,
        "stop_reason": job.stop_reason,
        "start_command": None if is_terminal else encode(start_command(schedule, job)).decode(),
        "ended_at": now if is_terminal else None,
    }


def _birth(job: NewJob) -> dict[str, Any]:
    return {"job_id": job.job_id, "attempt": 1, "from_state": None, "to_state": job.state,
            "reason": job.reason, "detail": job.detail}  # fmt: skip
