"""A schedule as the scheduler holds it, and the jobs and commands made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from common.jobs import JobId, JobState, Reason, job_id_of
from common.messages import RunSpec, StartJob
from common.schedule import Calendar, InstanceSpec, compile_schedule
from scheduler.domain.pauses import Pauses

ACTIVE, PAUSED, DELETED = "active", "paused", "deleted"
MOST_STOPS_KEPT = 3


@dataclass(frozen=True)
class Definition:
    """One version of an instance: what runs, and when. Never changes, so it is kept and shared."""

    version: int
    spec: InstanceSpec
    image: str
    command: tuple[str, ...]
    _stops: dict[datetime, tuple[datetime | None, Reason | None]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @cached_property
    def calendar(self) -> Calendar | None:
        """When it is due; None for an instance that only depends on others."""
        return compile_schedule(self.spec)

    @cached_property
    def run(self) -> RunSpec:
        """What its containers need, in the words of the message."""
        spec = self.spec
        return RunSpec(
            image=self.image, command=self.command, env=spec.env, place=spec.place,
            sensors=spec.sensors, secrets=spec.secrets, machine=spec.machine,
            node_labels=spec.node_labels,
            cpus=spec.cpus, memory_bytes=spec.memory_bytes, timeout_s=spec.timeout_s,
            grace_s=spec.grace_s, restart=spec.restart, priority=spec.priority,
        )  # fmt: skip

    def stop_of(self, due: datetime) -> tuple[datetime | None, Reason | None]:
        """Return the stop time of a due time's jobs, and what it is: end_time or duration."""
        known = self._stops.get(due)  # asked for several times in one firing
        if known is None:
            if len(self._stops) > MOST_STOPS_KEPT:
                self._stops.clear()
            known = self._stops[due] = self._stop_of(due)
        return known

    def _stop_of(self, due: datetime) -> tuple[datetime | None, Reason | None]:
        if self.calendar is None or self.spec.schedule is None:
            return None, None
        stop = self.calendar.stop_time(due)
        if stop is None:
            return None, None
        duration_s = self.spec.schedule.duration_s
        # the language counts in whole seconds, a job run by hand is due at any instant
        whole = due.replace(microsecond=0)
        by_duration = duration_s is not None and stop == whole + timedelta(seconds=duration_s)
        return stop, Reason.DURATION if by_duration else Reason.END_TIME


@dataclass(frozen=True)
class Schedule:
    """One instance's schedule at present. `state`: active, paused or deleted.

    `told` are due times with a row already, of those to be decided: a person had them skipped
    before they came. `pauses` say how it was at each due time, where that was asked for.
    """

    instance_id: str
    shard: int
    definition: Definition
    state: str
    next_due: datetime | None
    applied_at: datetime
    told: frozenset[datetime] = frozenset()
    pauses: Pauses | None = None

    @property
    def version(self) -> int:
        return self.definition.version

    @property
    def spec(self) -> InstanceSpec:
        return self.definition.spec

    @property
    def calendar(self) -> Calendar | None:
        return self.definition.calendar

    def is_paused_at(self, due: datetime) -> bool:
        """Tell whether it was paused at a due time; where nobody asked, it is as it was taken."""
        return self.state == PAUSED if self.pauses is None else self.pauses.covers(due)


@dataclass(frozen=True)
class Edge:
    """A parent's due time that a job waits for; `parent_due` None: nothing in this cycle."""

    parent_instance: str
    ends: str
    parent_due: datetime | None


@dataclass(frozen=True)
class NewJob:
    """A row to be written for one due time and ordinal, or for a stretch of due times.

    With `is_extension` the row is there: its stretch goes on from `due` to `until`, by `count`.
    """

    job_id: JobId
    instance_id: str
    due: datetime
    ordinal: int
    state: JobState
    start_by: datetime
    reason: Reason | None = None
    detail: str | None = None
    stop_at: datetime | None = None
    stop_reason: Reason | None = None
    is_held: bool = False
    is_manual: bool = False
    count: int = 1
    until: datetime | None = None
    edges: tuple[Edge, ...] = ()
    is_extension: bool = False


def new_job(
    schedule: Schedule,
    due: datetime,
    ordinal: int,
    state: JobState,
    *,
    reason: Reason | None = None,
) -> NewJob:
    """Make the row of one due time and ordinal."""
    stop_at, stop_reason = schedule.definition.stop_of(due)
    return NewJob(
        job_id=job_id_of(schedule.instance_id, due, ordinal),
        instance_id=schedule.instance_id,
        due=due,
        ordinal=ordinal,
        state=state,
        reason=reason,
        stop_at=stop_at,
        stop_reason=stop_reason,
        start_by=due + timedelta(seconds=schedule.spec.start_deadline_s),
    )  # fmt: skip


def ordinals_of(
    schedule: Schedule, due: datetime, state: JobState, reason: Reason | None = None
) -> list[NewJob]:
    """Make the rows of all ordinals of one due time."""
    return [
        new_job(schedule, due, ordinal, state, reason=reason)
        for ordinal in range(schedule.spec.instances)
    ]


@dataclass(frozen=True)
class Attempt:
    """One try at a job, as its row tells it."""

    job_id: str
    attempt: int
    instance_id: str
    due: datetime
    ordinal: int
    start_by: datetime
    stop_at: datetime | None
    stop_reason: Reason | None


def first_attempt(job: NewJob) -> Attempt:
    return Attempt(
        job.job_id, 1, job.instance_id, job.due, job.ordinal, job.start_by, job.stop_at,
        job.stop_reason,
    )  # fmt: skip


def start_command(definition: Definition, attempt: Attempt) -> StartJob:
    """Write the command that starts an attempt; the same each time it is written."""
    return StartJob(
        id=f"{attempt.job_id}/{attempt.attempt}",
        job_id=attempt.job_id,
        attempt=attempt.attempt,
        instance_id=attempt.instance_id,
        due=attempt.due,
        ordinal=attempt.ordinal,
        start_by=attempt.start_by,
        stop_at=attempt.stop_at,
        stop_reason=attempt.stop_reason,
        on_node_lost=definition.spec.on_node_lost,
        spec=definition.run,
    )
