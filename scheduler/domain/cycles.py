"""Which due times of its parents a job waits for: matching by cycle (schedule.md, 4). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from common.jobs import JobId, JobState, Reason
from scheduler.domain.fire import LastRow
from scheduler.domain.schedule import (
    DELETED,
    Edge,
    NewJob,
    Schedule,
    new_job,
    ordinals_of,
)

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
    one. A child of one parent has a job for each of its jobs, in whatever order they come.
    """
    parent, due = cause
    since = max(previous or child.applied_at, child.applied_at)
    if len(child.spec.depends_on) == 1:
        since = child.applied_at
    if child.state == DELETED or due <= since:
        return ()
    edges = tuple(
        replace(edge, parent_due=due) if edge.parent_instance == parent else edge
        for edge in edges_of(child, due, parents, since)
    )
    if any(edge.parent_due is None for edge in edges):
        return ()
    if child.is_paused_at(due):
        return tuple(ordinals_of(child, due, JobState.SKIPPED, Reason.PAUSED))
    return tuple(
        replace(job, edges=edges) for job in ordinals_of(child, due, JobState.WAITING)
    )


def follow_stretch(child: Schedule, parent: Schedule, stretch: NewJob) -> tuple[NewJob, ...]:
    """Make the rows of a child without a schedule for many due times that its one parent passed up.

    Where the edge cannot hold they are one stretch that was not started, as the parent's is. Where
    it holds all the same (`done`, `failure`) the newest runs; the others would have run with it.
    """
    return tuple(
        row
        for part in _parts(child, parent, stretch)
        for row in _follow_part(child, parent, part)
    )


def _parts(child: Schedule, parent: Schedule, stretch: NewJob) -> list[NewJob]:
    """Part a stretch where the child was paused or resumed in it."""
    last = stretch.until or stretch.due
    pauses, calendar = child.pauses, parent.calendar
    is_whole = pauses is None or not any(stretch.due <= at < last for at in pauses.turned_at)
    if is_whole or calendar is None:
        return [stretch]
    dues = [stretch.due, *calendar.due_between(stretch.due, last, stretch.count)]
    parts = [list(some) for _, some in groupby(dues, child.is_paused_at)]
    size = parent.spec.instances
    return [
        replace(stretch, due=some[0], until=some[-1], count=len(some) * size) for some in parts
    ]  # fmt: skip


def _follow_part(child: Schedule, parent: Schedule, stretch: NewJob) -> tuple[NewJob, ...]:
    dues = _dues_of(child, parent, stretch)
    if child.state == DELETED or dues is None:
        return ()
    first, before, newest, count = dues
    (edge,) = child.spec.depends_on
    if child.is_paused_at(newest):
        return _told_as(child, (first, newest, count), JobState.SKIPPED, Reason.PAUSED)
    if edge.on in {"success", "started"}:
        end = JobState.UPSTREAM_FAILED, Reason.DEP_FAILED
        return _told_as(child, (first, newest, count), *end)
    waits_for = (Edge(edge.instance, edge.on, newest),)
    rows = [
        replace(job, edges=waits_for) for job in ordinals_of(child, newest, JobState.WAITING)
    ]  # fmt: skip
    if count > 1:
        span = first, before, count - 1
        rows += _told_as(child, span, JobState.SKIPPED, Reason.OVERLAP)
    return tuple(rows)


def join_last(child: Schedule, rows: Sequence[NewJob], newest: Sequence[LastRow]) -> list[NewJob]:
    """Let a stretch that goes on where the child's last row ends make that row longer."""
    last = newest[0] if newest else None
    if last is None or not last.is_stretch:
        return list(rows)
    same = last.state, last.reason, last.version
    return [
        replace(row, job_id=JobId(last.job_id), is_extension=True)
        if row.until is not None and (row.state, row.reason, child.version) == same
        and last.last_due < row.due
        else row
        for row in rows
    ]  # fmt: skip


def _told_as(
    child: Schedule, span: tuple[datetime, datetime, int], state: JobState, reason: Reason
) -> tuple[NewJob, ...]:
    first, last, count = span
    row = new_job(child, first, 0, state, reason=reason)
    return (replace(row, count=count * child.spec.instances, until=last),)


def _dues_of(
    child: Schedule, parent: Schedule, stretch: NewJob
) -> tuple[datetime, datetime, datetime, int] | None:
    """Return the first, last but one and last of a stretch's due times since the child is there.

    And their number. A parent without a schedule has none to count: its stretch is taken whole.
    """
    newest = stretch.until or stretch.due
    if newest <= child.applied_at:
        return None
    count = stretch.count // parent.spec.instances
    if parent.calendar is None:
        return stretch.due, newest - _INSTANT, newest, count
    first = stretch.due
    if first <= child.applied_at:
        dues = parent.calendar.due_between(child.applied_at, newest, count)
        first, count = dues[0], len(dues)
    before = parent.calendar.previous_due(newest - _INSTANT) or first
    return first, before, newest, count


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
