"""Due times made ready before they come: their rows and start commands are written while idle.

Only what is plain: an active schedule that waits for nothing. Whether it is still as it was when
this was written, and not late, and nothing in its way, is asked in the firing transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from common.db import Row
from common.jobs import JobState
from common.messages import StartJob, encode
from scheduler.domain.schedule import (
    ACTIVE,
    NewJob,
    Schedule,
    first_attempt,
    ordinals_of,
    start_command,
)

MOST_READY = 100_000
"""One takes 1.6 kB; what does not find room is made ready when it is due."""

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


class Command(NamedTuple):
    """A start command as it goes out, and when."""

    not_before: datetime
    job_id: str
    attempt: int
    content: bytes


def command_of(start: StartJob, not_before: datetime = AT_ONCE) -> Command:
    return Command(not_before, start.job_id, start.attempt, encode(start))


@dataclass(frozen=True, slots=True)
class Ready:
    """One due time of one schedule: what is written and sent when it comes, and where it goes on.

    `start_before`: from then on it is too late to start; `may_overlap`: other jobs of the instance
    are no hindrance; `may_be_missed`: it runs though the platform was down when it was due, if it
    is the only one.
    """

    instance_id: str
    shard: int
    version: int
    priority: int
    applied_at: datetime
    due: datetime
    next_due: datetime | None
    next_stop: datetime | None
    stop_at: datetime | None
    start_before: datetime
    may_overlap: bool
    may_be_missed: bool
    rows: tuple[Mapping[str, Any], ...]
    commands: tuple[Command, ...]

    def is_of(self, row: Row) -> bool:
        """Tell whether a schedule's row is the one that this was made of."""
        known = (self.version, ACTIVE, self.due, self.applied_at)
        return known == (row["version"], row["state"], row["next_due"], row["applied_at"])

    def is_plain(self, now: datetime, up_since: datetime) -> bool:
        """Tell whether just this due time is to be fired, and runs, as `domain.fire` would say."""
        is_alone = self.next_due is None or self.next_due > now
        is_known = self.may_be_missed or up_since <= self.due
        return is_alone and is_known and self.due <= now < self.start_before


def make_ready(schedule: Schedule) -> Ready | None:
    """Write a schedule's next due time down; None where it is not plain."""
    due, calendar, definition = schedule.next_due, schedule.calendar, schedule.definition
    if due is None or calendar is None or schedule.state != ACTIVE or schedule.spec.depends_on:
        return None
    jobs = ordinals_of(schedule, due, JobState.QUEUED)
    stop_at, start_by = jobs[0].stop_at, jobs[0].start_by
    next_due = calendar.next_due(due)
    starts = [start_command(definition, first_attempt(job)) for job in jobs]
    return Ready(
        instance_id=schedule.instance_id, shard=schedule.shard, version=schedule.version,
        priority=schedule.spec.priority, applied_at=schedule.applied_at, due=due,
        next_due=next_due, next_stop=definition.stop_of(next_due)[0] if next_due else None,
        stop_at=stop_at, start_before=start_by if stop_at is None else min(stop_at, start_by),
        may_overlap=schedule.spec.overlap == "allow",
        may_be_missed=schedule.spec.misfire != "skip",
        rows=tuple(_row_of(schedule, job) for job in jobs),
        commands=tuple(command_of(start, due) for start in starts),
    )  # fmt: skip


@dataclass
class ReadyDues:
    """What is ready, by instance. One thread puts in, others take out."""

    _ready: dict[str, Ready] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._ready)

    def has_room(self) -> bool:
        return len(self._ready) < MOST_READY

    def put(self, schedules: Iterable[Schedule], until: datetime) -> None:
        """Make ready what is due until then."""
        for schedule in schedules:
            if schedule.next_due is not None and schedule.next_due <= until:
                ready = make_ready(schedule)
                if ready is not None:
                    self._ready[schedule.instance_id] = ready

    def take(self, rows: Sequence[Row]) -> dict[str, Ready]:
        """Take what belongs to these rows of schedules, and is still as they are."""
        taken: dict[str, Ready] = {}
        for row in rows:
            name = row["instance_id"]
            ready = self._ready.pop(name, None)
            if ready is not None and ready.is_of(row):
                taken[name] = ready
        return taken

    def drop(self, instance_id: str) -> None:
        """Throw away what was made of a schedule that has changed; absent is fine."""
        self._ready.pop(instance_id, None)

    def clear(self) -> None:
        self._ready.clear()


def _row_of(schedule: Schedule, job: NewJob) -> Mapping[str, Any]:
    """Show a job as its row, but for what the statement says itself."""
    return {
        "job_id": job.job_id, "instance_id": job.instance_id, "due": job.due,
        "ordinal": job.ordinal, "shard": schedule.shard, "version": schedule.version,
        "stop_at": job.stop_at, "start_by": job.start_by, "stop_reason": job.stop_reason,
    }  # fmt: skip
