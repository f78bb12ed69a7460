"""What becomes of due times: which run, are missed, skipped or wait (schedule.md, 4). Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.jobs import JobId, JobState, Reason
from common.schedule import Calendar
from scheduler.domain.overlap import Admission, LiveJob, admit
from scheduler.domain.schedule import NewJob, Schedule, new_job, ordinals_of

MOST_CATCH_UP = 100
MOST_DUES_A_ROUND = 20_000
TOLD_ONE_BY_ONE = 3
DENSE = timedelta(seconds=60)
_STRETCHED = {JobState.SKIPPED, JobState.MISSED}
_DOWN = (JobState.MISSED, Reason.DOWNTIME)
_PAUSED = (JobState.SKIPPED, Reason.PAUSED)


@dataclass(frozen=True)
class Firing:
    """The rows of one round, the jobs to be stopped for them, and where the schedule goes on."""

    jobs: tuple[NewJob, ...]
    next_due: datetime | None
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True)
class LastRow:
    """One of the newest rows of an instance; `last_due` is the last due time it stands for."""

    job_id: str
    state: JobState
    reason: Reason | None
    version: int
    last_due: datetime
    is_stretch: bool = False


@dataclass(frozen=True)
class _Dues:
    """Due times of one round, parted by what becomes of them."""

    running: list[datetime]
    closed: list[tuple[datetime, Reason]]
    missed: list[datetime]


def fire(
    schedule: Schedule, live: Sequence[LiveJob], now: datetime, up_since: datetime
) -> Firing:
    """Decide every due time of one schedule up to `now`; each becomes a row, but for those `told`.

    Due times before `up_since` were missed while the platform was down; the misfire policy decides
    about them, and runs none of them while the instance is paused. At most 20,000 due times a
    round: the next round goes on where this one ended.
    """
    calendar = schedule.calendar
    if calendar is None or schedule.next_due is None:
        return Firing((), None)
    if schedule.next_due > now:
        return Firing((), schedule.next_due)
    dues = _dues(calendar, schedule.next_due, now)
    paused = {due for due in dues if schedule.is_paused_at(due)}
    if len(paused) == len(dues):
        return Firing(_stretches(schedule, dues, paused, _PAUSED), calendar.next_due(dues[-1]))
    if len(dues) == MOST_DUES_A_ROUND:
        # The newest of this round may be among those that `all` runs: they wait for the next one.
        gone, next_due = dues[:-MOST_CATCH_UP], dues[-MOST_CATCH_UP]
        skipped = _stretches(schedule, gone, paused, _PAUSED)
        return Firing((*skipped, *_stretches(schedule, gone, {*gone} - paused, _DOWN)), next_due)
    wanted = [due for due in dues if due not in schedule.told and due not in paused]
    parted = _part(schedule, wanted, now, up_since)
    rows = [
        *_stretches(schedule, dues, paused, _PAUSED),
        *_stretches(schedule, dues, parted.missed, _DOWN),
        *(
            job
            for due, reason in parted.closed
            for job in ordinals_of(schedule, due, JobState.MISSED, reason)
        ),
    ]
    jobs, replaced = _admitted(schedule, parted.running, live)
    return Firing((*rows, *jobs), calendar.next_due(dues[-1]), replaced)


def continue_last(firing: Firing, schedule: Schedule, newest: Sequence[LastRow]) -> Firing:
    """Tell skipped or missed due times in one row where many came before them.

    `newest` are the instance's last rows, newest first. The first three are told one by one, the
    fourth begins a stretch, and those after it make it longer. Only where they follow directly and
    closely: rows over a minute apart stay rows.
    """
    first = firing.jobs[0] if firing.jobs else None
    if first is None or not newest or schedule.calendar is None:
        return firing
    last = newest[0]
    told = {(job.state, job.reason, schedule.version) for job in firing.jobs}
    if told != {(last.state, last.reason, last.version)} or last.state not in _STRETCHED:
        return firing
    is_next = schedule.calendar.next_due(last.last_due) == first.due
    if not is_next or first.due - last.last_due > DENSE:
        return firing
    until = max(job.until or job.due for job in firing.jobs)
    count = sum(job.count for job in firing.jobs)
    whole = replace(first, count=count, until=until)
    if last.is_stretch:
        longer = replace(whole, job_id=JobId(last.job_id), is_extension=True)
        return replace(firing, jobs=(longer,))
    before = [row for row in newest if (row.state, row.reason, row.version) in told]
    return firing if len(before) < TOLD_ONE_BY_ONE else replace(firing, jobs=(whole,))


def _dues(calendar: Calendar, first: datetime, now: datetime) -> list[datetime]:
    """List the due times up to now; mostly there is just the one."""
    second = calendar.next_due(first)
    if second is None or second > now:
        return [first]
    return [first, *calendar.due_between(first, now, MOST_DUES_A_ROUND - 1)]


def _part(
    schedule: Schedule, dues: Sequence[datetime], now: datetime, up_since: datetime
) -> _Dues:
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
    if kept and schedule.is_paused_at(now):
        kept = []  # who paused it since wants no start, of whatever due time
    parted = _Dues([], [], overdue[: len(overdue) - len(kept)])
    for due in [*kept, *fresh]:
        reason = too_late(schedule, due, now)
        if reason is None:
            parted.running.append(due)
        else:
            parted.closed.append((due, reason))
    return parted


def too_late(schedule: Schedule, due: datetime, now: datetime) -> Reason | None:
    """Return why a due time may not start any more."""
    stop_at, _ = schedule.definition.stop_of(due)
    if stop_at is not None and stop_at <= now:
        return Reason.WINDOW_CLOSED
    if due + timedelta(seconds=schedule.spec.start_deadline_s) <= now:
        return Reason.START_DEADLINE
    return None


def _admitted(
    schedule: Schedule, dues: Sequence[datetime], live: Sequence[LiveJob]
) -> tuple[list[NewJob], tuple[str, ...]]:
    """Apply the overlap policy to the due times that are to run, in order.

    Jobs that wait for parents are let in when the wait is over, not here.
    """
    if schedule.spec.depends_on:
        waiting = [j for due in dues for j in ordinals_of(schedule, due, JobState.WAITING)]
        return waiting, ()
    jobs: list[NewJob] = []
    replaced: list[str] = []
    ahead = list(live)
    policy = schedule.spec.overlap
    for due in dues:
        admission = admit(policy, ahead)
        if admission is Admission.SKIP:
            jobs += ordinals_of(schedule, due, JobState.SKIPPED, Reason.OVERLAP)
            continue
        is_held = admission is Admission.HOLD
        if is_held and policy == "replace":
            replaced += [job.job_id for job in ahead]
        made = ordinals_of(schedule, due, JobState.QUEUED)
        jobs += [replace(job, is_held=True) for job in made] if is_held else made
        ahead += [LiveJob(job.job_id, due, is_held) for job in made]
    return jobs, tuple(dict.fromkeys(replaced))


def _stretches(
    schedule: Schedule, dues: Sequence[datetime], chosen: Collection[datetime],
    end: tuple[JobState, Reason],
) -> tuple[NewJob, ...]:  # fmt: skip
    """Tell the chosen ones of some due times as rows; no stretch goes over one that is not."""
    pieces: list[list[datetime]] = [[]]
    those = set(chosen) - schedule.told
    for due in dues if those else ():
        if due in those:
            pieces[-1].append(due)
        elif pieces[-1]:
            pieces.append([])
    return tuple(job for piece in pieces for job in _stretch(schedule, piece, *end))


def _stretch(
    schedule: Schedule, dues: Sequence[datetime], state: JobState, reason: Reason
) -> tuple[NewJob, ...]:
    """Tell a few due times one by one, a long stretch as one row with its count."""
    if not dues:
        return ()
    if len(dues) <= TOLD_ONE_BY_ONE:
        return tuple(job for due in dues for job in ordinals_of(schedule, due, state, reason))
    first = new_job(schedule, dues[0], 0, state, reason=reason)
    count = len(dues) * schedule.spec.instances
    return (replace(first, count=count, until=dues[-1]),)
