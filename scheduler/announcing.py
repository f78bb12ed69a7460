"""Tells of starts that will probably come, so that images and containers are ready (ADR 15).

Beside the firing, on a thread of its own: it reads without locks, writes nothing, and what it says
is a hint. Whether a job starts at all is decided when it is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from common.bus import Producer
from common.clock import Clock
from common.db import Database, Row
from common.jobs import JobState
from common.messages import JOB_COMMANDS, PrepareJob, encode
from scheduler.domain.schedule import ACTIVE, Schedule, first_attempt, ordinals_of, start_command
from scheduler.ledger import live_jobs_of
from scheduler.service import Scheduler

EVERY_S = 1.0
SOON_S = 0.1
MOST_AT_ONCE = 100
"""A thousand hints in one go would be in the way of starts for 0.1 s: the rest follows soon."""

LEAD_TIME = timedelta(minutes=5)
"""So long before the due time an image is fetched."""
CREATE_AHEAD = timedelta(seconds=20)
LEAST_AHEAD = timedelta(seconds=1)
"""Later than this a hint would only be in the start's way."""
MOST_A_ROUND = 1000
_ALONGSIDE = {"allow", "replace"}  # else a job that still runs may forbid the start
_BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), "")


@dataclass
class Announcer:
    """Owned by one thread. A storm is announced in part: what is not starts as it always did."""

    scheduler: Scheduler
    database: Database
    producer: Producer
    clock: Clock
    _announced: dict[str, datetime] = field(default_factory=dict)
    _read_to: tuple[datetime, str] = _BEGINNING
    _has_more: bool = False

    def run_once(self) -> float:
        """Announce what is due within seconds, and what has come within minutes."""
        now = self.clock.now()
        if not self.scheduler.shards or not self.scheduler.may_fire():
            return EVERY_S
        self._announced = {name: due for name, due in self._announced.items() if due > now}
        near, far = self._upcoming(now)
        announced = [*self._messages(near, creates=True), *self._messages(far, creates=False)]
        records = [(each.job_id, encode(each)) for each in announced[:MOST_A_ROUND]]
        if records:
            self.producer.send_all(JOB_COMMANDS, records)
        return SOON_S if self._has_more else EVERY_S

    def _upcoming(self, now: datetime) -> tuple[list[Schedule], list[Schedule]]:
        since, name = max(self._read_to, (now + CREATE_AHEAD, "~"))
        with self.database.transaction() as transaction:
            near = transaction.all(
                "due_soon", due=now + LEAST_AHEAD, instance_id="", until=now + CREATE_AHEAD,
                limit=MOST_A_ROUND,
            )  # fmt: skip
            far = transaction.all(
                "due_soon", due=since, instance_id=name, until=now + LEAD_TIME, limit=MOST_AT_ONCE
            )
            news = [row["instance_id"] for row in self._ours(near) if self._is_news(row)]
            names = news[:MOST_AT_ONCE]
            later = [row["instance_id"] for row in self._ours(far)]
            known = self.scheduler.definitions.schedules_of(transaction, {*names, *later})
            live = live_jobs_of(transaction, names)
        is_all = len(far) < MOST_AT_ONCE
        self._has_more = len(news) > len(names) or not is_all
        self._read_to = (
            (now + LEAD_TIME, "~") if is_all else (far[-1]["next_due"], far[-1]["instance_id"])
        )
        soon = [
            known[one]
            for one in names
            if one in known and (one not in live or known[one].spec.overlap in _ALONGSIDE)
        ]
        return soon, [known[one] for one in later if one in known]

    def _ours(self, rows: Sequence[Row]) -> Iterable[Row]:
        return (row for row in rows if row["shard"] in self.scheduler.shards)

    def _is_news(self, row: Row) -> bool:
        return bool(self._announced.get(row["instance_id"]) != row["next_due"])

    def _messages(self, schedules: Iterable[Schedule], *, creates: bool) -> Iterable[PrepareJob]:
        for schedule in schedules:
            due = schedule.next_due
            if due is None or schedule.state != ACTIVE or schedule.spec.depends_on:
                continue
            if creates:
                self._announced[schedule.instance_id] = due
            for job in ordinals_of(schedule, due, JobState.QUEUED):
                start = start_command(schedule.definition, first_attempt(job))
                yield PrepareJob(
                    id=f"{job.job_id}/prepare", job_id=job.job_id, start=start, creates=creates
                )
