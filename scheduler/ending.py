"""What the end of a job sets free: the ones held behind it, and its dependents (schedule.md, 4).

Runs inside the transaction that records the end, so that a child never starts before it (G9). Who
calls it holds the locks of the instances' schedules: what is held behind a job and what ends it
are decided one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from common.db import Row, Transaction
from common.jobs import JobState, Reason
from scheduler.domain.dependencies import Verdict, judge_all, judge_edge
from scheduler.domain.job import end_of_wish, is_uncommanded
from scheduler.domain.overlap import Admission, admit, to_release
from scheduler.domain.schedule import Edge
from scheduler.ledger import Move, live_jobs_of, lock_jobs, record_moves, view_of
from scheduler.store import Definitions


@dataclass
class Ending:
    """One transaction's ends and what follows from them; `released` and `stopping` are told."""

    transaction: Transaction
    definitions: Definitions
    now: datetime
    released: set[str] = field(default_factory=set)
    stopping: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def release_after(self, instance_id: str, dues: Iterable[datetime]) -> None:
        """Look at all that a change of this instance's jobs of some due times may set free."""
        self.release_held(instance_id)
        wanted = sorted(set(dues))
        if wanted:
            rows = self.transaction.all("children_waiting", parent=instance_id, dues=wanted)
            self.judge_waiting(row["job_id"] for row in rows)

    def release_held(self, instance_id: str) -> None:
        """Let the oldest held due time go when nothing of the instance is ahead of it."""
        live = live_jobs_of(self.transaction, [instance_id]).get(instance_id, [])
        for job_id in to_release(live):
            self.transaction.execute("queue_job", job_id=job_id, is_held=False, now=self.now)
            self.released.add(job_id)

    def judge_waiting(self, job_ids: Iterable[str]) -> None:
        """Queue waiting jobs, or give them up, or leave them waiting."""
        rows = lock_jobs(self.transaction, job_ids)
        for row in rows.values():
            if row["state"] == JobState.WAITING:
                self._judge(row)

    def verdict_of(self, edges: Iterable[Edge]) -> Verdict:
        """Judge what a job waits for; a parent that had nothing in its cycle does not count."""
        return judge_all(
            [
                judge_edge(edge.ends, self._parent_states(edge))
                for edge in edges
                if edge.parent_due is not None
            ]
        )

    def want_stop(self, row: Row, reason: Reason) -> None:
        """Wish a job's stop; one that was never commanded ends at once."""
        view = view_of(row)
        if is_uncommanded(view):
            self.end_unstarted(row, *end_of_wish(reason, view.attempt))
        elif self.transaction.execute("want_stop", job_id=row["job_id"], reason=reason):
            self.stopping.add(row["job_id"])

    def want_stops(self, job_ids: Iterable[str], reason: Reason) -> None:
        for row in lock_jobs(self.transaction, job_ids).values():
            self.want_stop(row, reason)

    def end_unstarted(self, row: Row, state: JobState, reason: Reason) -> None:
        """End a job that was never commanded, and all that depends on it."""
        before = JobState(row["state"])
        changed = self.transaction.execute(
            "end_unstarted", job_id=row["job_id"], state=state, reason=reason, now=self.now,
            before=before,
        )  # fmt: skip
        if not changed:
            return
        move = Move(row["job_id"], before, state, reason, attempt=row["attempt"])
        record_moves(self.transaction, self.now, [move])
        self.ended.add(row["job_id"])
        self.release_after(row["instance_id"], [row["due"]])

    def _judge(self, row: Row) -> None:
        rows = self.transaction.all("edges_of", job_id=row["job_id"])
        edges = [Edge(row["parent_instance"], row["ends"], row["parent_due"]) for row in rows]
        match self.verdict_of(edges):
            case Verdict.SATISFIED:
                self._let_in(row)
            case Verdict.IMPOSSIBLE:
                self.end_unstarted(row, JobState.UPSTREAM_FAILED, Reason.DEP_FAILED)

    def _parent_states(self, edge: Edge) -> Sequence[JobState]:
        """Return the states of a parent's due time, also where a stretch stands for it."""
        instance_id, due = edge.parent_instance, edge.parent_due
        rows = self.transaction.all("parent_states", instance_id=instance_id, due=due)
        if not rows:
            before = self.transaction.one("stretch_over", instance_id=instance_id, due=due)
            if before is not None and before["until"] is not None and before["until"] >= due:
                rows = [before]
        return [JobState(row["state"]) for row in rows]

    def _let_in(self, row: Row) -> None:
        """All its parents are done: it goes, unless the overlap policy is against it."""
        instance_id = row["instance_id"]
        self.transaction.all("lock_instances", instances=[instance_id])
        live = live_jobs_of(self.transaction, [instance_id]).get(instance_id, [])
        others = [job for job in live if job.due != row["due"]]
        key = instance_id, row["version"]
        definition = self.definitions.versions_of(self.transaction, [key]).get(key)
        policy = definition.spec.overlap if definition else "skip"
        admission = admit(policy, others)
        if admission is Admission.SKIP:
            self.end_unstarted(row, JobState.SKIPPED, Reason.OVERLAP)
            return
        is_held = admission is Admission.HOLD
        self.transaction.execute(
            "queue_job", job_id=row["job_id"], is_held=is_held, now=self.now
        )
        move = Move(row["job_id"], JobState.WAITING, JobState.QUEUED)
        record_moves(self.transaction, self.now, [move])
        self.released.add(row["job_id"])
        if is_held and policy == "replace":
            self.want_stops([job.job_id for job in others], Reason.REPLACED)
