"""What deployments say of jobs: snapshots to the ledger; ends set dependents free.

Any replica may apply any snapshot: the job's row is locked, attempt and revision decide, and a
doubled or old one changes nothing. So partitions are shared out as shards are, without a fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Histogram

from common.bus.receive import Received
from common.clock import Clock
from common.db import Database, Row
from common.errors import Permanent
from common.failpoints import failpoint
from common.jobs import TERMINAL, JobState
from common.messages import DeploymentChanged, DeploymentState
from scheduler.domain.job import Outcome, RetryPolicy, apply_snapshot
from scheduler.domain.schedule import Definition
from scheduler.ending import Ending
from scheduler.ledger import Move, lock_jobs, record_moves, view_of
from scheduler.service import Scheduler

lateness = Histogram(
    "rota_start_lateness_seconds",
    "From when a job was to start (due, and its parents, retry pause or asking over) to its start",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)  # fmt: skip
_NO_DEFINITION = RetryPolicy()


class UnknownJobError(Permanent):
    """The ledger has no job with this id."""


@dataclass(frozen=True)
class Events:
    """Applies deployments' snapshots. Needs no lock of the scheduler's while it does."""

    scheduler: Scheduler
    database: Database
    clock: Clock

    def receive(self, batch: Sequence[Received]) -> None:
        """Apply a batch in one transaction, in order."""
        snapshots = [r.message for r in batch if isinstance(r.message, DeploymentChanged)]
        if not snapshots:
            return
        with self.database.transaction() as transaction:
            ending = Ending(transaction, self.scheduler.definitions, self.clock.now())
            names = sorted({snapshot.job_id.partition(".")[0] for snapshot in snapshots})
            transaction.all("lock_instances", instances=names)
            rows = lock_jobs(transaction, (snapshot.job_id for snapshot in snapshots))
            policies = self._definitions(ending, rows.values())
            for snapshot in snapshots:
                self._apply(ending, snapshot, rows, policies)
            failpoint("scheduler.before_event_commit")
        failpoint("scheduler.after_event_commit")
        self.scheduler.follow(ending)
        if ending.released or ending.ended:
            self.scheduler.wake()

    def _definitions(
        self, ending: Ending, rows: Iterable[Row]
    ) -> dict[tuple[str, int], Definition]:
        wanted = {(row["instance_id"], row["version"]) for row in rows}
        return dict(self.scheduler.definitions.versions_of(ending.transaction, wanted))

    def _apply(
        self,
        ending: Ending,
        snapshot: DeploymentChanged,
        rows: dict[str, Row],
        definitions: dict[tuple[str, int], Definition],
    ) -> None:
        row = rows.get(snapshot.job_id)
        if row is None:
            raise UnknownJobError(f"no job has the id {snapshot.job_id!r}")
        definition = definitions.get((row["instance_id"], row["version"]))
        policy = _NO_DEFINITION
        if definition is not None:
            policy = RetryPolicy(definition.spec.retries, definition.spec.on_node_lost)
        outcome = apply_snapshot(view_of(row), snapshot, policy, ending.now)
        if outcome is None:
            return
        if outcome.retry_at is not None:
            deadline_s = definition.spec.start_deadline_s if definition else 0
            self._retry(ending, row, snapshot, (outcome.retry_at, deadline_s))
        else:
            self._save(ending, row, snapshot, outcome)
        rows.update(lock_jobs(ending.transaction, [snapshot.job_id]))
        if outcome.state in TERMINAL:
            ending.ended.add(snapshot.job_id)
        if outcome.state in TERMINAL or outcome.state is JobState.RUNNING:
            ending.release_after(row["instance_id"], [row["due"]])

    def _save(
        self, ending: Ending, row: Row, snapshot: DeploymentChanged, outcome: Outcome
    ) -> None:
        is_terminal = outcome.state in TERMINAL
        ending.transaction.execute(
            "update_job",
            job_id=snapshot.job_id,
            attempt=row["attempt"],
            before=row["state"],
            state=outcome.state,
            reason=outcome.reason,
            detail=_detail(snapshot),
            node=snapshot.node,
            node_load=snapshot.load,
            started_at=snapshot.started_at,
            ended_at=(snapshot.ended_at or ending.now) if is_terminal else None,
            exit_code=snapshot.exit_code,
            lateness_ms=_lateness_ms(row, snapshot),
            revision=snapshot.revision,
        )
        if outcome.state != row["state"]:
            move = Move(row["job_id"], JobState(row["state"]), outcome.state, outcome.reason,
                        _detail(snapshot), row["attempt"])  # fmt: skip
            record_moves(ending.transaction, ending.now, [move])

    def _retry(
        self, ending: Ending, row: Row, snapshot: DeploymentChanged, when: tuple[datetime, int]
    ) -> None:
        """Queue another attempt after its pause; it may start as late after that as the first."""
        retry_at, deadline_s = when
        detail = f"attempt {snapshot.attempt}: {snapshot.state} ({snapshot.reason})"
        attempt = row["attempt"] + 1
        ending.transaction.execute(
            "retry_job", job_id=row["job_id"], before=row["state"], attempt=attempt,
            not_before=retry_at, detail=detail, is_held=False,
            start_by=max(row["start_by"], retry_at + timedelta(seconds=deadline_s)),
        )  # fmt: skip
        record_moves(ending.transaction, ending.now, _moves_to_retry(row, snapshot, detail))


def _moves_to_retry(row: Row, snapshot: DeploymentChanged, detail: str) -> list[Move]:
    """Tell a retry; what failed before we heard of its start had been started all the same."""
    before, attempt = JobState(row["state"]), row["attempt"]
    moves = []
    if before is JobState.QUEUED:
        moves.append(Move(row["job_id"], before, JobState.STARTING, attempt=attempt))
        before = JobState.STARTING
    again = Move(row["job_id"], before, JobState.QUEUED, snapshot.reason, detail, attempt + 1)
    return [*moves, again]


def _lateness_ms(row: Row, snapshot: DeploymentChanged) -> int | None:
    if snapshot.started_at is None or row["started_at"] is not None:
        return None
    late: timedelta = snapshot.started_at - row["due"]
    lateness.observe(max(0.0, (snapshot.started_at - _wanted_at(row)).total_seconds()))
    return late // timedelta(milliseconds=1)


def _wanted_at(row: Row) -> datetime:
    """Return from when on the job was to start: a wait that is meant is not our lateness.

    That is its due time, or later the end of its parents, of a retry's pause, of those before it;
    of what a person asked for, the asking, although a backfill is due in the past.
    """
    wanted: datetime = max(row["due"], row["not_before"])
    return max(wanted, row["created_at"]) if row["is_manual"] else wanted


def _detail(snapshot: DeploymentChanged) -> str | None:
    """Say why not yet, or what the deployment says; never longer than its column."""
    if snapshot.state is DeploymentState.PENDING and snapshot.why_not:
        reasons = "; ".join(f"{node}: {why}" for node, why in sorted(snapshot.why_not.items()))
        return reasons[:500]
    if snapshot.kill_failed:
        return f"kill failed: {snapshot.detail or 'not confirmed'}"[:500]
    return snapshot.detail[:500] if snapshot.detail else None
