"""Which due times of its parents a job waits for: matching by cycle (schedule.md, 4). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.jobs import JobState, Reason
from scheduler.domain.schedule import DELETED, PAUSED, Edge, NewJob, Schedule, ordinals_of

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Parents:
    """The parents of some children as they are now, and the newest due time each has a row for.

    `written` counts rows up to the child's due time; it decides where a parent has no calendar, or
    was edited since.
    """

    schedules: Mapping[str, Schedule]
    written: Mapping[str, datetime]


def edges_of(
    schedule: Schedule, due: datetime, parents: Parents, previous: datetime | None = None
) -> tuple[Edge, ...]:
    """Match each parent by cycle: its latest due time <= ours and > our previous one.

    A parent that had none in this cycle holds nobody up.
    """
    if previous is None and schedule.calendar is not None:
        previous = schedule.calendar.previous_due(due - _INSTANT)
    return tuple(
        Edge(each.instance, each.on, _due_in_cycle(each.instance, due, parents, previous))
        for each in schedule.spec.depends_on
    )


def with_edges(job: NewJob, schedule: Schedule, parents: Parents) -> NewJob:
    """Let a job that waits know what for."""
    return replace(job, edges=edges_of(schedule, job.due, parents))


def child_jobs(
    child: Schedule, cause: tuple[str, datetime], previous: datetime | None, parents: Parents
) -> tuple[NewJob, ...]:
    """Make the jobs of a child without a schedule when the last of its parents in a cycle is due.

    `cause` is the parent that is due, and when. Nothing comes of it while another parent has not
    been due since the child's `previous` job, nor for a parent's due time before the child's last
    one.
    """
    parent, due = cause
    since = max(previous or child.applied_at, child.applied_at)
    if child.state == DELETED or due <= since:
        return ()
    edges = tuple(
        replace(edge, parent_due=due) if edge.parent_instance == parent else edge
        for edge in edges_of(child, due, parents, since)
    )
    if any(edge.parent_due is None for edge in edges):
        return ()
    if child.state == PAUSED:
        return tuple(ordinals_of(child, due, JobState.SKIPPED, Reason.PAUSED))
    return tuple(
        replace(job, edges=edges) for job in ordinals_of(child, due, JobState.WAITING)
    )


def _due_in_cycle(
    name: str, due: datetime, parents: Parents, previous: datetime | None
) -> datetime | None:
    parent = parents.schedules.get(name)
    if parent is None or parent.state == DELETED:
        return None
    found = parent.calendar.previous_due(due) if parent.calendar is not None else None
    if found is None or found <= parent.applied_at:
        # before its last edit it was due as its old version said, and that is in the ledger
        found = parents.written.get(name)
    return None if found is None or (previous is not None and found <= previous) else found
