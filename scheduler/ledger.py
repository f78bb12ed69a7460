"""The ledger: rows of jobs, their edges and their events, written and read.

Every change of a job's state goes through here and is held against the one table of legal moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.db import DuplicateKeyError, Row, Transaction
from common.jobs import TERMINAL, JobState, Reason
from scheduler.domain.fire import LastRow
from scheduler.domain.job import JobView, Limits, check_move
from scheduler.domain.overlap import LiveJob
from scheduler.domain.schedule import Attempt, NewJob, Schedule
from scheduler.ready import Ready

ROWS_A_STATEMENT = 1000


@dataclass(frozen=True)
class Move:
    """One change of state, as it is recorded."""

    job_id: str
    before: JobState | None
    after: JobState
    reason: Reason | None = None
    detail: str | None = None
    attempt: int = 1


def insert_jobs(
    transaction: Transaction, jobs: Iterable[tuple[Schedule, NewJob]], now: datetime
) -> list[NewJob]:
    """Write rows, edges and events of jobs that are not there yet; return those written.

    Rows that only stand for more due times than before come first.
    """
    every = list(jobs)
    pairs = [pair for pair in every if not pair[1].is_extension]
    longer = [job for _, job in every if job.is_extension]
    for job in longer:
        transaction.execute("extend_job", job_id=job.job_id, count=job.count, until=job.until)
    return longer + _insert_new(transaction, pairs, now)


def _insert_new(
    transaction: Transaction, pairs: Sequence[tuple[Schedule, NewJob]], now: datetime
) -> list[NewJob]:
    written: list[NewJob] = []
    for start in range(0, len(pairs), ROWS_A_STATEMENT):
        written += _insert(transaction, pairs[start : start + ROWS_A_STATEMENT], now)
    edges = [
        {"job_id": job.job_id, "parent_instance": edge.parent_instance, "ends": edge.ends,
         "parent_due": edge.parent_due}
        for job in written
        for edge in job.edges
    ]  # fmt: skip
    transaction.execute_many("insert_edges", edges)
    for job in written:
        check_move(None, job.state)
    for start in range(0, len(written), ROWS_A_STATEMENT):
        born = [job.job_id for job in written[start : start + ROWS_A_STATEMENT]]
        transaction.execute("insert_births", jobs=born, at=now)
    return written


def insert_ready(transaction: Transaction, ready: Sequence[Ready], now: datetime) -> list[Ready]:
    """Write rows and events of what was ready; return what was written.

    A portion of which any row is there already is not written at all, but left to `insert_jobs`.
    """
    written: list[Ready] = []
    for some in _portions(ready):
        try:
            transaction.execute_many("insert_ready", [row for one in some for row in one.rows])
        except DuplicateKeyError:
            continue
        born = [command.job_id for one in some for command in one.commands]
        transaction.execute("insert_births", jobs=born, at=now)
        written += some
    return written


def _portions(ready: Sequence[Ready]) -> Iterator[list[Ready]]:
    """Part them so that the rows of each portion are one statement: it is done wholly or not."""
    some: list[Ready] = []
    rows = 0
    for one in ready:
        if some and rows + len(one.rows) > ROWS_A_STATEMENT:
            yield some
            some, rows = [], 0
        some.append(one)
        rows += len(one.rows)
    if some:
        yield some


def _insert(
    transaction: Transaction, pairs: Sequence[tuple[Schedule, NewJob]], now: datetime
) -> list[NewJob]:
    """Write rows; ask which are there only when one is: MySQL undoes just that statement."""
    try:
        transaction.execute_many("insert_jobs", [job_row(s, job, now) for s, job in pairs])
    except DuplicateKeyError:
        rows = transaction.all("existing_jobs", jobs=[job.job_id for _, job in pairs])
        there = {row["job_id"] for row in rows}
        pairs = [(schedule, job) for schedule, job in pairs if job.job_id not in there]
        transaction.execute_many("insert_jobs", [job_row(s, job, now) for s, job in pairs])
    return [job for _, job in pairs]


def record_moves(transaction: Transaction, now: datetime, moves: Sequence[Move]) -> None:
    """Append to `job_events`; raises `IllegalMoveError` for what is not in the table."""
    for move in moves:
        check_move(move.before, move.after)
    append_events(transaction, now, moves)


def append_events(transaction: Transaction, now: datetime, moves: Sequence[Move]) -> None:
    """Append to `job_events` what was checked before: a person's retry leaves a terminal state."""
    rows = [
        {"job_id": move.job_id, "attempt": move.attempt, "at": now, "from_state": move.before,
         "to_state": move.after, "reason": move.reason, "detail": move.detail}
        for move in moves
    ]  # fmt: skip
    transaction.execute_many("insert_events", rows)


def lock_jobs(transaction: Transaction, job_ids: Iterable[str]) -> dict[str, Row]:
    """Lock some jobs and return their rows."""
    wanted = sorted(set(job_ids))
    if not wanted:
        return {}
    return {row["job_id"]: row for row in transaction.all("lock_jobs", jobs=wanted)}


def live_jobs_of(
    transaction: Transaction, instances: Sequence[str]
) -> Mapping[str, list[LiveJob]]:
    """Return the live jobs of some instances, oldest first."""
    found: dict[str, list[LiveJob]] = {}
    if not instances:
        return found
    for row in transaction.all("live_jobs_of", instances=instances):
        live = LiveJob(row["job_id"], row["due"], bool(row["is_held"]))
        found.setdefault(row["instance_id"], []).append(live)
    return found


def newest_rows_of(
    transaction: Transaction, instance_id: str, until: datetime
) -> Sequence[LastRow]:
    """Return the newest rows of an instance that its schedule made, newest first."""
    return [
        LastRow(
            row["job_id"], JobState(row["state"]),
            Reason(row["reason"]) if row["reason"] else None, row["version"],
            row["until"] or row["due"], row["until"] is not None,
        )
        for row in transaction.all("newest_rows", instance_id=instance_id, until=until)
    ]  # fmt: skip


def told_among(transaction: Transaction, jobs: Sequence[NewJob]) -> frozenset[datetime]:
    """Return which due times of several have rows already: a person had them skipped ahead.

    A single due time without a stretch needs no question: its row is not written twice.
    """
    if not jobs or (jobs[0].until is None and jobs[-1].due == jobs[0].due):
        return frozenset()
    last = max(job.until or job.due for job in jobs)
    rows = transaction.all(
        "told_between", instance_id=jobs[0].instance_id, first=min(job.due for job in jobs),
        last=last,
    )  # fmt: skip
    return frozenset(row["due"] for row in rows)


def view_of(row: Mapping[str, Any]) -> JobView:
    """Read what deciding needs of a row of `jobs`."""
    wish = row["desired_stop"]
    return JobView(
        state=JobState(row["state"]),
        attempt=row["attempt"],
        revision=row["revision"],
        stop_at=row["stop_at"],
        desired_stop=Reason(wish) if wish else None,
        is_held=bool(row["is_held"]),
    )


def limits_of(row: Mapping[str, Any]) -> Limits:
    """Read when a job must end."""
    reason = Reason(row["stop_reason"]) if row["stop_reason"] else None
    return Limits(row["stop_at"], reason, row["start_by"])


def attempt_of(row: Row) -> Attempt:
    """Read what a start command needs of a row of `jobs`."""
    reason = Reason(row["stop_reason"]) if row["stop_reason"] else None
    return Attempt(
        row["job_id"], row["attempt"], row["instance_id"], row["due"], row["ordinal"],
        row["start_by"], row["stop_at"], reason,
    )  # fmt: skip


def job_row(schedule: Schedule, job: NewJob, now: datetime) -> dict[str, Any]:
    """Show a new job as its row."""
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
        "is_manual": job.is_manual,
        "stop_reason": job.stop_reason,
        "ended_at": now if job.state in TERMINAL else None,
        "now": now,
    }


def newborn_row(job: NewJob) -> Mapping[str, Any]:
    """Show a new job as its row would, for what concerns its stop time."""
    return {
        "job_id": job.job_id, "state": job.state, "attempt": 1, "revision": 0,
        "stop_at": job.stop_at, "stop_reason": job.stop_reason, "start_by": job.start_by,
        "is_held": job.is_held, "desired_stop": None,
    }  # fmt: skip
