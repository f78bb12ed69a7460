"""What people ask of jobs: kill, run now, retry, skip the next one. Each is carried out once.

The request is a row of the application manager's; what became of it is a row of ours, written in
the transaction that carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.clock import Clock
from common.db import Database, DuplicateKeyError, Row, Transaction
from common.errors import Permanent
from common.jobs import TERMINAL, JobState, Reason, shard_of
from common.logs import logger
from scheduler.ahead import take_back
from scheduler.domain.dependencies import Verdict
from scheduler.domain.job import REVIVED
from scheduler.domain.overlap import Admission, LiveJob, admit
from scheduler.domain.schedule import DELETED, Edge, NewJob, Schedule, ordinals_of
from scheduler.ending import Ending
from scheduler.firing import Fired
from scheduler.ledger import Move, append_events, live_jobs_of, lock_jobs
from scheduler.service import Scheduler

_log = logger("scheduler.requests")


class RefusedError(Permanent):
    """The request cannot be carried out; its text says why."""


@dataclass(frozen=True)
class _Answer:
    """What a request did: jobs to be written, and a word for who asked."""

    detail: str
    jobs: Sequence[NewJob] = ()


@dataclass(frozen=True)
class Requests:
    """Carries out people's requests for the shards this replica holds."""

    scheduler: Scheduler
    database: Database
    clock: Clock

    def carry_out(self) -> None:
        """Do what was asked for and not done yet."""
        with self.scheduler.lock:
            shards = self.scheduler.shards
            if not shards:
                return
            with self.database.transaction() as transaction:
                rows = transaction.all("app_requests")
            for row in rows:
                if shard_of(row["instance_id"]) in shards:
                    self._carry_out(row)

    def _carry_out(self, request: Row) -> None:
        try:
            fired = self.scheduler.firer.carry_out(lambda t: self._do(t, request))
        except DuplicateKeyError:
            return  # another replica, or an earlier try of ours whose commit we did not see
        except RefusedError as error:
            _log.info("request_refused", request_id=request["request_id"], why=str(error))
            self._refuse(request, str(error))
            return
        self.scheduler.plan_fired(fired)
        self.scheduler.wake_outbox()

    def _do(self, transaction: Transaction, request: Row) -> Fired:
        ending = Ending(transaction, self.scheduler.definitions, self.clock.now())
        instance_id = request["instance_id"]
        self.scheduler.leases.fence(transaction, {shard_of(instance_id)})
        found = self.scheduler.definitions.schedules_of(
            transaction, [instance_id], "lock_schedules"
        )
        schedule = found.get(instance_id)
        if schedule is None:
            raise RefusedError(f"no instance has the id {instance_id!r}")
        answer = self._answer(ending, request, schedule)
        made = self.scheduler.firer.write_jobs(ending, [(schedule, job) for job in answer.jobs])
        transaction.execute(
            "mark_handled", request_id=request["request_id"], outcome="done", detail=answer.detail
        )
        return Fired(ending, (), made)

    def _answer(self, ending: Ending, request: Row, schedule: Schedule) -> _Answer:
        match request["kind"]:
            case "kill":
                return self._kill(ending, request)
            case "retry":
                return self._retry(ending, request, schedule)
            case "run" | "run_now":
                return self._run(ending, request, schedule)
            case "skip" | "skip_next":
                ahead = take_back(ending, self.scheduler.outbox, [schedule.instance_id])
                next_due = ahead.get(schedule.instance_id, schedule.next_due)
                return _skip(request, replace(schedule, next_due=next_due), ending.now)
            case kind:
                raise RefusedError(f"nobody knows what {kind!r} means")

    def _kill(self, ending: Ending, request: Row) -> _Answer:
        row = _job_of(ending, request)
        if JobState(row["state"]) in TERMINAL:
            raise RefusedError(f"the job has ended: {row['state']}")
        ending.want_stop(row, Reason.USER)
        return _Answer(row["job_id"])

    def _run(self, ending: Ending, request: Row, schedule: Schedule) -> _Answer:
        """Run now, whatever the schedule says; parents and overlap are obeyed unless forced."""
        if schedule.state == DELETED:
            raise RefusedError("the instance is deleted")
        due: datetime = request["due"] or request["requested_at"]
        _refuse_known(ending, schedule, due)
        edges = () if request["forced"] else _edges_now(ending, schedule, due)
        must_wait = ending.verdict_of(edges) is Verdict.WAITING
        is_held = not must_wait and self._admit(ending, request, schedule, due)
        jobs = [
            replace(
                job, is_manual=True, is_held=is_held, edges=edges,
                start_by=ending.now + timedelta(seconds=schedule.spec.start_deadline_s),
            )
            for job in ordinals_of(
                schedule, due, JobState.WAITING if must_wait else JobState.QUEUED
            )
        ]  # fmt: skip
        stop_at = jobs[0].stop_at if jobs else None
        if stop_at is not None and stop_at <= ending.now:
            raise RefusedError(f"its stop time would be {stop_at.isoformat()}, which is over")
        return _Answer(", ".join(job.job_id for job in jobs), jobs)

    def _retry(self, ending: Ending, request: Row, schedule: Schedule) -> _Answer:
        """Try a job that ended badly again, as the same job with a new attempt."""
        row = _job_of(ending, request)
        before = JobState(row["state"])
        if before not in REVIVED:
            raise RefusedError(f"the job is {before}; only what ended badly is tried again")
        if row["count"] > 1:
            raise RefusedError("the row stands for many due times; run the instance instead")
        if before is JobState.LOST and not request["forced"]:
            raise RefusedError("the job is LOST: its container may still run; force it if not")
        if row["stop_at"] is not None and row["stop_at"] <= ending.now:
            raise RefusedError(f"its stop time was {row['stop_at'].isoformat()}")
        key = row["instance_id"], row["version"]
        if key not in self.scheduler.definitions.versions_of(ending.transaction, [key]):
            raise RefusedError("what it ran is forgotten; run the instance instead")
        is_held = self._admit(ending, request, schedule, row["due"])
        attempt = row["attempt"] + 1
        ending.transaction.execute(
            "retry_job", job_id=row["job_id"], before=before, attempt=attempt,
            not_before=ending.now, detail="tried again by a person", is_held=is_held,
            start_by=ending.now + timedelta(seconds=schedule.spec.start_deadline_s),
        )  # fmt: skip
        move = Move(row["job_id"], before, JobState.QUEUED, Reason.USER, None, attempt)
        append_events(ending.transaction, ending.now, [move])
        ending.released.add(row["job_id"])
        return _Answer(row["job_id"])

    def _admit(
        self, ending: Ending, request: Row, schedule: Schedule, due: datetime
    ) -> bool:
        """Obey the overlap policy; return whether the job is held behind others."""
        live = live_jobs_of(ending.transaction, [schedule.instance_id])
        others: list[LiveJob] = [
            job for job in live.get(schedule.instance_id, ()) if job.due != due
        ]
        policy = "allow" if request["forced"] else schedule.spec.overlap
        admission = admit(policy, others)
        if admission is Admission.SKIP:
            raise RefusedError(f"{others[0].job_id} has not ended, and overlap is {policy}")
        if admission is Admission.HOLD and policy == "replace":
            ending.want_stops([job.job_id for job in others], Reason.REPLACED)
        return admission is Admission.HOLD

    def _refuse(self, request: Row, why: str) -> None:
        with suppress(DuplicateKeyError), self.database.transaction() as transaction:
            transaction.execute(
                "mark_handled", request_id=request["request_id"], outcome="refused",
                detail=why[:500],
            )  # fmt: skip


def _job_of(ending: Ending, request: Row) -> Row:
    row = lock_jobs(ending.transaction, [request["job_id"] or ""]).get(request["job_id"] or "")
    if row is None or row["instance_id"] != request["instance_id"]:
        raise RefusedError(f"no job has the id {request['job_id']!r}")
    return row


def _refuse_known(ending: Ending, schedule: Schedule, due: datetime) -> None:
    """Refuse a run of a due time that has its job, or that the schedule has yet to decide."""
    ids = [job.job_id for job in ordinals_of(schedule, due, JobState.QUEUED)]
    for row in lock_jobs(ending.transaction, ids).values():
        raise RefusedError(f"{row['job_id']} is there already, {row['state']}; retry it instead")
    if schedule.next_due is not None and due >= schedule.next_due and _is_due(schedule, due):
        raise RefusedError(f"{due.isoformat()} is still to come by its schedule")


def _edges_now(ending: Ending, schedule: Schedule, due: datetime) -> tuple[Edge, ...]:
    """Let a run by hand follow the newest job that each parent has by then; refuse if it cannot."""
    found = []
    for each in schedule.spec.depends_on:
        newest = ending.transaction.one("newest_due_until", instance_id=each.instance, until=due)
        edge = Edge(each.instance, each.on, newest["due"] if newest else None)
        if ending.verdict_of([edge]) is Verdict.IMPOSSIBLE:
            raise RefusedError(
                f"the last job of {each.instance} does not satisfy 'on: {each.on}'; "
                "force the run to do without"
            )
        found.append(edge)
    return tuple(found)


def _is_due(schedule: Schedule, due: datetime) -> bool:
    return schedule.calendar is not None and schedule.calendar.previous_due(due) == due


def _skip(request: Row, schedule: Schedule, now: datetime) -> _Answer:
    """Write the row of a due time before it comes: firing finds it done."""
    due: datetime | None = request["due"] or schedule.next_due
    if due is None or schedule.calendar is None or due <= now:
        raise RefusedError("nothing is due that could be skipped")
    if not _is_due(schedule, due):
        raise RefusedError(f"nothing is due at {due.isoformat()}")
    jobs = ordinals_of(schedule, due, JobState.SKIPPED, Reason.USER)
    return _Answer(due.isoformat(), jobs)
