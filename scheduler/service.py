"""The scheduler at work: it fires what is due, kills what must stop, and keeps the ledger.

All state in memory is a cache of the database, guarded by one lock; `Scheduler.recover` rebuilds
it. What is decided is in `scheduler.domain`; what an end sets free in `scheduler.ending`; what
arrives from outside in `scheduler.intake`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from prometheus_client import Histogram

from common.bus import BusUnavailableError, Producer
from common.clock import Clock
from common.db import Database, Transaction
from common.errors import Retryable
from common.failpoints import failpoint
from common.jobs import JobState, Reason
from common.logs import logger
from common.messages import JOB_COMMANDS, KillJob, encode
from scheduler.domain.agenda import Act, Agenda, Entry
from scheduler.domain.fire import Firing, child_job, fire, with_edges
from scheduler.domain.schedule import NewJob, Schedule
from scheduler.ending import end_unstarted, judge_waiting
from scheduler.store import insert_jobs, live_jobs_of, schedule_from

BATCH = 500
LEASE_S = 10
DOWN_AFTER = timedelta(seconds=10)
KILL_AGAIN_S = 5
KILLS_BEFORE_ALARM = 3
SEND_TIMEOUT_S = 10.0
IDLE_S = 5.0

_log = logger("scheduler")
lateness = Histogram(
    "rota_start_lateness_seconds", "From due time to container start",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)  # fmt: skip


class LeaseLostError(Retryable):
    """Another replica holds a shard we wanted to fire for; nothing was written."""


class Scheduler:
    """The agenda and the schedules, guarded by `lock`; every public method takes it."""

    def __init__(self, database: Database, producer: Producer, clock: Clock, replica: str) -> None:
        self.lock = threading.RLock()
        self.wake: Callable[[], None] = lambda: None
        self.schedules: dict[str, Schedule] = {}
        self.shards: frozenset[int] = frozenset()
        self._epochs: dict[int, int] = {}
        self._database = database
        self._producer = producer
        self._clock = clock
        self._replica = replica
        self._agenda = Agenda()
        self._up_since: datetime | None = None
        self._last_tick: datetime | None = None

    def hold_shards(self) -> None:
        """Take or keep our leases; a change of what we hold rebuilds the agenda."""
        with self.lock:
            with self._database.transaction() as transaction:
                transaction.execute(
                    "take_shards", owner=self._replica, ttl_s=LEASE_S, is_new=not self._epochs
                )
                rows = transaction.all("held_shards", owner=self._replica)
            failpoint("scheduler.after_lease")
            held = {row["shard"]: row["epoch"] for row in rows}
            if held != self._epochs:
                _log.info("shards_held", shards=sorted(held))
                self._epochs, self.shards = held, frozenset(held)
                self.recover()

    def recover(self) -> None:
        """Rebuild the cache: schedules, overdue kills, then due times; then tick as always."""
        with self.lock:
            with self._database.transaction() as transaction:
                rows = transaction.all("all_schedules")
                live = transaction.all("live_jobs", shards=self.shards)
            self._agenda.clear()
            self.schedules = {row["instance_id"]: schedule_from(row) for row in rows}
            for row in live:
                self._plan_stop(row["job_id"], row["stop_at"], row["start_by"], row["state"])
            for schedule in self.schedules.values():
                self.plan(schedule)
            self._up_since = self._clock.now()
            _log.info("recovered", schedules=len(rows), live_jobs=len(live))
        self.wake()

    def plan(self, schedule: Schedule) -> None:
        """Put a schedule's next due time on the agenda, if the schedule is ours and has one."""
        self.schedules[schedule.instance_id] = schedule
        is_ours = schedule.shard in self.shards and schedule.state != "deleted"
        if schedule.next_due is None or not is_ours:
            self._agenda.drop(Act.START, schedule.instance_id)
        else:
            self._agenda.put(
                schedule.next_due, Act.START, schedule.instance_id, schedule.spec.priority
            )

    def tick(self) -> float:
        """Do all that is due; return the seconds until the next thing is."""
        with self.lock:
            now = self._clock.now()
            self._notice_downtime(now)
            entries = self._agenda.take_due(now, BATCH)
            try:
                self._kill_due([e.key for e in entries if e.act is Act.KILL])
                self._fire_due([e.key for e in entries if e.act is Act.START], now)
            except Exception:
                self._put_back(entries)
                raise
            self._last_tick = now
            upcoming = self._agenda.next_at()
            if upcoming is None:
                return IDLE_S
            return max(0.0, min(IDLE_S, (upcoming - self._clock.now()).total_seconds()))

    def publish(self) -> int:
        """Send every start command that is not confirmed as sent; return how many."""
        with self.lock:
            if not self.shards:
                return 0
            with self._database.transaction() as transaction:
                rows = transaction.all("unpublished", shards=self.shards, now=self._clock.now())
            pending = [
                (row["job_id"],
                 self._producer.send(JOB_COMMANDS, row["job_id"], row["start_command"].encode()))
                for row in rows
            ]  # fmt: skip
            for _, sent in pending:
                sent.wait(SEND_TIMEOUT_S)
            failpoint("scheduler.after_publish")
            for start in range(0, len(pending), BATCH):
                ids = [job_id for job_id, _ in pending[start : start + BATCH]]
                with self._database.transaction() as transaction:
                    transaction.execute("mark_published", jobs=ids)
            return len(pending)

    def send_kills(self) -> int:
        """Send kills that are wanted and not confirmed; after three, say that it failed."""
        with self.lock:
            if not self.shards:
                return 0
            with self._database.transaction() as transaction:
                rows = transaction.all(
                    "unconfirmed_kills", shards=self.shards, again_s=KILL_AGAIN_S
                )
            for row in rows:
                kill = KillJob(
                    id=f"{row['job_id']}/{row['attempt']}/kill", job_id=row["job_id"],
                    attempt=row["attempt"], reason=Reason(row["desired_stop"]),
                )  # fmt: skip
                self._producer.send(JOB_COMMANDS, row["job_id"], encode(kill)).wait(SEND_TIMEOUT_S)
                is_failing = row["kills_sent"] >= KILLS_BEFORE_ALARM
                detail = f"kill not confirmed after {row['kills_sent']}" if is_failing else None
                if is_failing:
                    _log.error("kill_failed", job_id=row["job_id"], sent=row["kills_sent"])
                with self._database.transaction() as transaction:
                    transaction.execute("note_kill", job_id=row["job_id"], detail=detail)
            return len(rows)

    def want_stop(self, transaction: Transaction, job_id: str, reason: Reason) -> None:
        """Wish a job's stop; one that was never commanded ends at once."""
        state = {
            Reason.USER: JobState.CANCELLED, Reason.REPLACED: JobState.CANCELLED,
        }.get(reason, JobState.MISSED)  # fmt: skip
        told = Reason.WINDOW_CLOSED if state is JobState.MISSED else reason
        if not end_unstarted(transaction, job_id, state, told, self._clock.now()):
            transaction.execute("want_stop", job_id=job_id, reason=reason)

    def look_at_waiting(self) -> None:
        """Judge every waiting job of ours again, in case a parent's end passed us by."""
        with self.lock, self._database.transaction() as transaction:
            rows = transaction.all("waiting_jobs", shards=self.shards) if self.shards else []
            for row in rows:
                judge_waiting(transaction, row["job_id"], self._clock.now())

    def forget_stop(self, job_id: str) -> None:
        """Take the stop of an ended job off the agenda."""
        self._agenda.drop(Act.KILL, job_id)

    def leave(self) -> None:
        """Give the shards back, so that another replica need not wait for their leases."""
        try:
            with self._database.transaction() as transaction:
                transaction.execute("leave_shards", owner=self._replica)
        except Retryable as error:
            _log.warning("shards_not_given_back", error=str(error))

    def figures(self) -> dict[str, Callable[[], float]]:
        """Numbers for the heartbeat."""
        return {
            "schedules": lambda: len(self.schedules),
            "agenda": lambda: len(self._agenda),
            "shards": lambda: len(self.shards),
        }

    def _notice_downtime(self, now: datetime) -> None:
        """A pause of our own (frozen, MySQL away) is downtime: the misfire policy decides then."""
        if self._last_tick is not None and now - self._last_tick > DOWN_AFTER + _seconds(IDLE_S):
            _log.warning("was_away", seconds=(now - self._last_tick).total_seconds())
            self._up_since = now

    def _kill_due(self, job_ids: Sequence[str]) -> None:
        if not job_ids:
            return
        with self._database.transaction() as transaction:
            for job_id in job_ids:
                job = transaction.one("lock_job", job_id=job_id)
                if job is not None:
                    reason = job["stop_reason"] or Reason.END_TIME
                    self.want_stop(transaction, job_id, Reason(reason))
        self._try(self.send_kills)

    def _fire_due(self, instances: Sequence[str], now: datetime) -> None:
        for start in range(0, len(instances), BATCH):
            self._fire_batch(instances[start : start + BATCH], now)
        if instances:
            self._try(self.publish)

    def _fire_batch(self, instances: Sequence[str], now: datetime) -> None:
        """Fire many schedules in one transaction, under the leases of their shards."""
        with self._database.transaction() as transaction:
            current = self._lock(transaction, instances)
            self._check_fence(transaction, {s.shard for s in current})
            live = live_jobs_of(transaction, instances)
            fired: list[tuple[Schedule, Firing]] = []
            for schedule in current:
                firing = fire(
                    schedule, live.get(schedule.instance_id, ()), now, self._up_since or now
                )
                fired.append((schedule, with_edges(firing, schedule, self.schedules)))
            written = self._write(transaction, fired, now)
            failpoint("scheduler.before_commit")
        failpoint("scheduler.after_commit")
        for schedule, firing in fired:
            self.plan(replace(schedule, next_due=firing.next_due))
        for job in written:
            self._plan_stop(job.job_id, job.stop_at, job.start_by, job.state)

    def _lock(self, transaction: Transaction, instances: Sequence[str]) -> list[Schedule]:
        """Lock the schedules' rows; what was edited meanwhile fires as the row says."""
        found = []
        for row in transaction.all("lock_schedules", instances=instances):
            schedule = self.schedules[row["instance_id"]]
            if row["version"] == schedule.version and row["state"] != "deleted":
                found.append(replace(schedule, state=row["state"], next_due=row["next_due"]))
        return found

    def _check_fence(self, transaction: Transaction, shards: set[int]) -> None:
        if not shards:
            return
        rows = transaction.all("fence", owner=self._replica, shards=shards)
        held = {row["shard"]: row["epoch"] for row in rows}
        if held != {shard: self._epochs.get(shard) for shard in shards}:
            raise LeaseLostError

    def _write(
        self, transaction: Transaction, fired: Sequence[tuple[Schedule, Firing]], now: datetime
    ) -> list[NewJob]:
        rows = [(schedule, job) for schedule, firing in fired for job in firing.jobs]
        written = insert_jobs(transaction, rows, now)
        written += insert_jobs(transaction, self._children(transaction, fired), now)
        for schedule, firing in fired:
            next_due = firing.next_due
            transaction.execute(
                "advance_schedule", instance_id=schedule.instance_id, next_due=next_due,
                next_stop=schedule.stop_of(next_due)[0] if next_due else None,
            )  # fmt: skip
            for job_id in firing.replaced:
                self.want_stop(transaction, job_id, Reason.REPLACED)
        for job in written:
            if job.state is JobState.WAITING:
                judge_waiting(transaction, job.job_id, now)
        return written

    def _children(
        self, transaction: Transaction, fired: Sequence[tuple[Schedule, Firing]]
    ) -> Iterable[tuple[Schedule, NewJob]]:
        """Make the jobs of dependents that have no schedule of their own."""
        dues = {(s.instance_id, job.due) for s, firing in fired for job in firing.jobs}
        for instance_id, due in sorted(dues, key=lambda pair: pair[1]):
            for child in self._dependents(instance_id):
                row = transaction.one("last_due", instance_id=child.instance_id)
                previous = row["due"] if row else None
                if previous is None or previous < due:
                    yield from ((child, j) for j in child_job(child, due, previous, self.schedules))

    def _dependents(self, parent: str) -> list[Schedule]:
        return [
            schedule
            for schedule in self.schedules.values()
            if schedule.calendar is None
            and schedule.state != "deleted"
            and any(edge.instance == parent for edge in schedule.spec.depends_on)
        ]

    def _plan_stop(
        self, job_id: str, stop_at: datetime | None, start_by: datetime, state: str
    ) -> None:
        """A job that waits for its parents is given up at its start deadline too."""
        is_waiting = state == JobState.WAITING
        moments = [m for m in (stop_at, start_by if is_waiting else None) if m is not None]
        if moments and state in {s.value for s in _STOPPABLE}:
            self._agenda.put(min(moments), Act.KILL, job_id)

    def _put_back(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._agenda.put(entry.at, entry.act, entry.key, -entry.rank)

    def _try(self, send: Callable[[], int]) -> None:
        """Send now; what does not get through is sent by the sweep."""
        try:
            send()
        except BusUnavailableError as error:
            _log.warning("not_sent_yet", error=str(error))


_STOPPABLE = (
    JobState.WAITING, JobState.QUEUED, JobState.STARTING, JobState.RUNNING, JobState.UNKNOWN,
)  # fmt: skip


def _seconds(amount: float) -> timedelta:
    return timedelta(seconds=amount)
