"""A schedule as the scheduler holds it, and the jobs and commands made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from common.jobs import JobId, JobState, Reason, job_id_of
from common.messages import RunSpec, StartJob
from common.schedule import Calendar, InstanceSpec, compile_schedule


@dataclass(frozen=True)
class Schedule:
    """One instance's schedule in one version. `state`: active, paused or deleted."""

    instance_id: str
    shard: int
    version: int
    spec: InstanceSpec
    image: str
    command: tuple[str, ...]
    state: str
    next_due: datetime | None
    applied_at: datetime

    @cached_property
    def calendar(self) -> Calendar | None:
        """When it is due; None for an instance that only depends on others."""
        return compile_schedule(self.spec)

    def stop_of(self, due: datetime) -> tuple[datetime | None, Reason | None]:
        """Return the stop time of a due time's jobs, and what it is: end_time or duration."""
        if self.calendar is None or self.spec.schedule is None:
            return None, None
        stop = self.calendar.stop_time(due)
        if stop is None:
            return None, None
        duration_s = self.spec.schedule.duration_s
        by_duration = duration_s is not None and stop == due + timedelta(seconds=duration_s)
        return stop, Reason.DURATION if by_duration else Reason.END_TIME


@dataclass(frozen=True)
class Edge:
    """A parent's due time that a job waits for; `parent_due` None: nothing in this cycle."""

    parent_instance: str
    ends: str
    parent_due: datetime | None


@dataclass(frozen=True)
class NewJob:
    """A row to be written for one due time and ordinal, or for a stretch of due times."""

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
    count: int = 1
    until: datetime | None = None
    edges: tuple[Edge, ...] = field(default=())


def new_job(
    schedule: Schedule, due: datetime, ordinal: int, state: JobState, reason: Reason | None = None
) -> NewJob:
    """Make the row of one due time and ordinal."""
    stop_at, stop_reason = schedule.stop_of(due)
    start_by = due + timedelta(seconds=schedule.spec.start_deadline_s)
    return NewJob(
        job_id=job_id_of(schedule.instance_id, due, ordinal),
        instance_id=schedule.instance_id,
        due=due,
        ordinal=ordinal,
        state=state,
        reason=reason,
        stop_at=stop_at,
        stop_reason=stop_reason,
        start_by=start_by,
    )


def start_command(schedule: Schedule, job: NewJob) -> StartJob:
    """Write the command that starts a job; made once, so that editing never changes a live job."""
    spec = schedule.spec
    return StartJob(
        id=f"{job.job_id}/1",
        job_id=job.job_id,
        attempt=1,
        instance_id=job.instance_id,
        due=job.due,
        ordinal=job.ordinal,
        start_by=job.start_by,
        stop_at=job.stop_at,
        stop_reason=job.stop_reason,
        on_node_lost=spec.on_node_lost,
        spec=RunSpec(
            image=schedule.image, command=schedule.command, env=spec.env, place=spec.place,
            sensors=spec.sensors, machine=spec.machine, node_labels=spec.node_labels,
            cpus=spec.cpus, memory_bytes=spec.memory_bytes, timeout_s=spec.timeout_s,
            grace_s=spec.grace_s, restart=spec.restart, priority=spec.priority,
        ),
    )  # fmt: skip
