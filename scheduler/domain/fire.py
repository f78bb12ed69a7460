"""What becomes of due times: which run, are missed, skipped or wait (schedule.md, 4). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.jobs import JobState, Reason
from scheduler.domain.schedule import Edge, NewJob, Schedule, new_job

MOST_CATCH_UP = 100
MOST_QUEUED = 100
MOST_DUES_A_ROUND = 1000


@dataclass(frozen=True)
class LiveJob:
    """A job of the instance that has not ended."""

    job_id: str
    due: datetime
    is_held: bool = False


@dataclass(frozen=True)
class Firing:
    """The rows of one round, the jobs to be stopped for them, and where the schedule goes on."""

    jobs: tuple[NewJob, ...]
    next_due: datetime | None
    replaced: tuple[str, ...] = ()


def fire(
    schedule: Schedule, live: Sequence[LiveJob], now: datetime, up_since: datetime
) -> Firing:
    """Decide every due time of one schedule up to `now`; each becomes a row.

    Due times before `up_since` were missed while the platform was down; the misfire policy decides
    about them. At most 1,000 due times a round: the next round goes on where this one ended.
    """
    calendar = schedule.calendar
    if calendar is None or schedule.next_due is None:
        return Firing((), None)
    just_before = schedule.next_due - timedelta(microseconds=1)
    dues = calendar.due_between(just_before, now, MOST_DUES_A_ROUND)
    if not dues:
        return Firing((), schedule.next_due)
    next_due = calendar.next_due(dues[-1])
    if schedule.state == "paused":
        return Firing(_stretch(schedule, dues, JobState.SKIPPED, Reason.PAUSED), next_due)
    running, closed, missed = _sort(schedule, dues, now, up_since)
    rows = [
        *_stretch(schedule, missed, JobState.MISSED, Reason.DOWNTIME),
        *(job for due, why in closed for job in _ordinals(schedule, due, JobState.MISSED, why)),
    ]
    jobs, replaced = _overlapped(schedule, running, live)
    return Firing((*rows, *jobs), next_due, replaced)


def with_edges(
    firing: Firing, schedule: Schedule, parents: Mapping[str, Schedule]
) -> Firing:
    """Let the jobs of an instance with parents wait for their ends in this cycle."""
    if not schedule.spec.depends_on:
        return firing
    return replace(
        firing,
        jobs=tuple(
            replace(job, state=JobState.WAITING, edges=edges_of(schedule, job.due, None, parents))
            if job.state is JobState.QUEUED
            else job
            for job in firing.jobs
        ),
    )


def edges_of(
    schedule: Schedule,
    due: datetime,
    previous: datetime | None,
    parents: Mapping[str, Schedule],
) -> tuple[Edge, ...]:
    """Match each parent by cycle: its latest due time <= ours and > our previous one."""
    if previous is None and schedule.calendar is not None:
        previous = schedule.calendar.previous_due(due - timedelta(microseconds=1))
    edges = []
    for dependency in schedule.spec.depends_on:
        parent = parents.get(dependency.instance)
        parent_due = None
        if parent is not None and parent.calendar is not None:
            parent_due = parent.calendar.previous_due(due)
            if parent_due is not None and previous is not None and parent_due <= previous:
                parent_due = None
        edges.append(Edge(dependency.instance, dependency.on, parent_due))
    return tuple(edges)


def child_job(
    child: Schedule,
    parent_due: datetime,
    previous: datetime | None,
    parents: Mapping[str, Schedule],
) -> tuple[NewJob, ...]:
    """Make the jobs of a child without a schedule when the last of its parents in a cycle is due.

    Nothing, while another parent has not been due since the child's previous job.
    """
    edges = edges_of(child, parent_due, previous, parents)
    if any(edge.parent_due is None for edge in edges):
        return ()
    state = JobState.SKIPPED if child.state == "paused" else JobState.WAITING
    reason = Reason.PAUSED if child.state == "paused" else None
    return tuple(
        replace(job, edges=edges if state is JobState.WAITING else ())
        for job in _ordinals(child, parent_due, state, reason)
    )


def _sort(
    schedule: Schedule, dues: Sequence[datetime], now: datetime, up_since: datetime
) -> tuple[list[datetime], list[tuple[datetime, Reason]], list[datetime]]:
    """Part due times into those to run, those too late, and those the policy gives up."""
    overdue = [due for due in dues if due < up_since]
    fresh = [due for due in dues if due >= up_since]
    match schedule.spec.misfire:
        case "latest":
            kept = overdue[-1:] if not fresh else []
        case "all":
            kept = overdue[-MOST_CATCH_UP:]
        case _:
            kept = []
    missed = overdue[: len(overdue) - len(kept)]
    running: list[datetime] = []
    closed: list[tuple[datetime, Reason]] = []
    for due in [*kept, *fresh]:
        stop_at, _ = schedule.stop_of(due)
        if stop_at is not None and stop_at <= now:
            closed.append((due, Reason.WINDOW_CLOSED))
        elif due + timedelta(seconds=schedule.spec.start_deadline_s) <= now:
            closed.append((due, Reason.START_DEADLINE))
        else:
            running.append(due)
    return running, closed, missed


def _overlapped(
    schedule: Schedule, dues: Sequence[datetime], live: Sequence[LiveJob]
) -> tuple[list[NewJob], tuple[str, ...]]:
    """Apply the overlap policy to the due times that are to run, in order."""
    jobs: list[NewJob] = []
    replaced: list[str] = []
    ahead = [job.job_id for job in live]
    held = sum(1 for job in live if job.is_held)
    policy = schedule.spec.overlap
    for due in dues:
        if not ahead or policy == "allow":
            made = _ordinals(schedule, due, JobState.QUEUED)
        elif policy == "skip" or (policy == "queue_one" and held) or held >= MOST_QUEUED:
            jobs += _ordinals(schedule, due, JobState.SKIPPED, Reason.OVERLAP)
            continue
        else:
            made = [replace(j, is_held=True) for j in _ordinals(schedule, due, JobState.QUEUED)]
            held += 1
            if policy == "replace":
                replaced += ahead
        jobs += made
        ahead = [*ahead, *(job.job_id for job in made)]
    return jobs, tuple(replaced)


def _ordinals(
    schedule: Schedule, due: datetime, state: JobState, reason: Reason | None = None
) -> list[NewJob]:
    return [
        new_job(schedule, due, ordinal, state, reason)
        for ordinal in range(schedule.spec.instances)
    ]


def _stretch(
    schedule: Schedule, dues: Sequence[datetime], state: JobState, reason: Reason
) -> tuple[NewJob, ...]:
    """Tell a few due times one by one, a long stretch as one row with its count."""
    if not dues:
        return ()
    if len(dues) <= 3:
        return tuple(job for due in dues for job in _ordinals(schedule, due, state, reason))
    first = new_job(schedule, dues[0], 0, state, reason)
    count = len(dues) * schedule.spec.instances
    return (replace(first, count=count, until=dues[-1]),)
