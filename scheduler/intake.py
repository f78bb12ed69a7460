"""What reaches the scheduler from outside: instances, people's requests, and jobs' events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.bus.receive import Received
from common.clock import Clock
from common.db import Database, DuplicateKeyError, Row, Transaction
from common.errors import Permanent
from common.jobs import TERMINAL, JobState, Reason
from common.logs import logger
from common.messages import DeploymentChanged, DeploymentState, InstanceChanged, StartJob, decode
from common.messages import encode as encode_message
from common.messages.topics import JOB_COMMANDS
from scheduler.domain.job import Outcome, apply_snapshot
from scheduler.domain.schedule import Schedule
from scheduler.ending import release_after
from scheduler.service import Scheduler, lateness
from scheduler.store import put_schedule, record_moves, schedule_from_app, view_of

SCAN_OVERLAP = timedelta(seconds=60)

_log = logger("scheduler.intake")


class UnknownInstanceError(Permanent):
    """No instance has this id; the application manager knows none."""


class Intake:
    """Brings outside news into the ledger. Shares the scheduler's lock."""

    def __init__(self, scheduler: Scheduler, database: Database, clock: Clock) -> None:
        self._scheduler = scheduler
        self._database = database
        self._clock = clock
        self._scanned_to = datetime(2000, 1, 1, tzinfo=UTC)

    def receive_instances(self, batch: Sequence[Received]) -> None:
        """Look at instances again, as their ids come in."""
        for received in batch:
            message = received.message
            if isinstance(message, InstanceChanged):
                with self._scheduler.lock:
                    self._look_at(message.instance_id)
        self.carry_out_requests()
        self._scheduler.wake()

    def scan(self) -> None:
        """Find changed instances without being told: a lost message changes nothing (G1)."""
        with self._scheduler.lock:
            since = self._scanned_to - SCAN_OVERLAP
            with self._database.transaction() as transaction:
                rows = transaction.all("app_changed", since=since)
            for row in rows:
                self._take(row)
                self._scanned_to = max(self._scanned_to, row["updated_at"])
        self.carry_out_requests()

    def carry_out_requests(self) -> None:
        """Do what people asked for, once each."""
        with self._scheduler.lock:
            with self._database.transaction() as transaction:
                requests = transaction.all("app_requests")
                done = {row["request_id"] for row in transaction.all("handled_since")}
            for request in requests:
                if request["request_id"] not in done:
                    self._carry_out(request)

    def receive_events(self, batch: Sequence[Received]) -> None:
        """Apply deployments' snapshots to the ledger; ends set dependents free."""
        with self._scheduler.lock:
            ended: list[str] = []
            with self._database.transaction() as transaction:
                for received in batch:
                    if isinstance(received.message, DeploymentChanged):
                        ended += self._apply(transaction, received.message)
            for job_id in ended:
                self._scheduler.forget_stop(job_id)
            self._scheduler.publish()
        self._scheduler.wake()

    def _look_at(self, instance_id: str) -> None:
        with self._database.transaction() as transaction:
            row = transaction.one("app_instance", instance_id=instance_id)
        if row is None:
            raise UnknownInstanceError(f"no instance has the id {instance_id!r}")
        self._take(row)

    def _take(self, row: Row) -> None:
        """Write a new or changed schedule; it is due from its edit on, never before."""
        fresh = schedule_from_app(row)
        known = self._scheduler.schedules.get(fresh.instance_id)
        if known is not None and (known.version, known.state) == (fresh.version, fresh.state):
            return
        if fresh.shard not in self._scheduler.shards:
            self._scheduler.schedules[fresh.instance_id] = fresh
            return
        fresh = replace(fresh, next_due=_first_due(fresh, known))
        with self._database.transaction() as transaction:
            put_schedule(transaction, fresh)
        self._scheduler.plan(fresh)
        _log.info("schedule_taken", instance_id=fresh.instance_id, version=fresh.version,
                  state=fresh.state, next_due=str(fresh.next_due))  # fmt: skip

    def _carry_out(self, request: Row) -> None:
        with self._database.transaction() as transaction:
            try:
                transaction.execute("mark_handled", request_id=request["request_id"])
            except DuplicateKeyError:
                return
            job_id = request["job_id"]
            job = transaction.one("lock_job", job_id=job_id) if job_id else None
            is_ours = job is not None and job["shard"] in self._scheduler.shards
            is_live = job is not None and JobState(job["state"]) not in TERMINAL
            if request["kind"] == "kill" and is_ours and is_live:
                self._scheduler.want_stop(transaction, job_id, Reason.USER)
        self._scheduler.send_kills()

    def _apply(self, transaction: Transaction, snapshot: DeploymentChanged) -> list[str]:
        """Apply one snapshot; return the job's id if it ended."""
        job = transaction.one("lock_job", job_id=snapshot.job_id)
        if job is None:
            raise Permanent(f"no job has the id {snapshot.job_id!r}")
        schedule = self._scheduler.schedules.get(job["instance_id"])
        retries = schedule.spec.retries if schedule else 0
        now = self._clock.now()
        outcome = apply_snapshot(view_of(job), snapshot, retries, now)
        if outcome is None:
            return []
        if outcome.retry_at is not None:
            self._retry(transaction, job, snapshot, outcome.retry_at)
            return []
        self._save(transaction, job, snapshot, outcome)
        if outcome.state in TERMINAL or outcome.state is JobState.RUNNING:
            release_after(transaction, job["instance_id"], job["due"], now)
        return [snapshot.job_id] if outcome.state in TERMINAL else []

    def _save(
        self, transaction: Transaction, job: Row, snapshot: DeploymentChanged, outcome: Outcome
    ) -> None:
        late = None
        if snapshot.started_at is not None and job["started_at"] is None:
            late = (snapshot.started_at - job["due"]) / timedelta(milliseconds=1)
            lateness.observe(max(0.0, late / 1000))
        is_terminal = outcome.state in TERMINAL
        transaction.execute(
            "update_job",
            job_id=snapshot.job_id,
            before=job["state"],
            state=outcome.state,
            reason=outcome.reason,
            detail=_detail(snapshot),
            node=snapshot.node,
            node_load=snapshot.load,
            started_at=snapshot.started_at,
            ended_at=(snapshot.ended_at or self._clock.now()) if is_terminal else None,
            exit_code=snapshot.exit_code,
            lateness_ms=None if late is None else int(late),
            revision=snapshot.revision,
        )
        if outcome.state != job["state"]:
            move = _move(job, outcome.state, outcome.reason, _detail(snapshot))
            record_moves(transaction, self._clock.now(), [move])

    def _retry(
        self, transaction: Transaction, job: Row, snapshot: DeploymentChanged, at: datetime
    ) -> None:
        attempt = job["attempt"] + 1
        command = decode(JOB_COMMANDS, job["start_command"].encode())
        if not isinstance(command, StartJob):
            raise TypeError(f"{job['job_id']} keeps a {type(command).__name__} as start command")
        again = StartJob(
            **{name: getattr(command, name) for name in command.__struct_fields__}
            | {"id": f"{job['job_id']}/{attempt}", "attempt": attempt}
        )
        transaction.execute(
            "retry_job", job_id=job["job_id"], before=job["state"], attempt=attempt,
            not_before=at, start_command=encode_message(again).decode(),
        )  # fmt: skip
        detail = f"attempt {snapshot.attempt}: {snapshot.state} ({snapshot.reason})"
        move = _move(job, JobState.QUEUED, snapshot.reason, detail)
        record_moves(transaction, self._clock.now(), [move])


def _first_due(fresh: Schedule, known: Schedule | None) -> datetime | None:
    """Return where a schedule goes on: after its edit; a pause or its end does not move it."""
    if fresh.calendar is None or fresh.state == "deleted":
        return None
    if known is not None and known.version == fresh.version:
        return known.next_due
    return fresh.calendar.next_due(fresh.applied_at)


def _detail(snapshot: DeploymentChanged) -> str | None:
    if snapshot.state is DeploymentState.PENDING and snapshot.why_not:
        return "; ".join(f"{node}: {why}" for node, why in sorted(snapshot.why_not.items()))[:500]
    if snapshot.kill_failed:
        return f"kill failed: {snapshot.detail or 'not confirmed'}"[:500]
    return snapshot.detail[:500] if snapshot.detail else None


def _move(
    job: Row, state: JobState, reason: Reason | None, detail: str | None
) -> dict[str, Any]:
    return {"job_id": job["job_id"], "attempt": job["attempt"], "from_state": job["state"],
            "to_state": state, "reason": reason, "detail": detail}  # fmt: skip
