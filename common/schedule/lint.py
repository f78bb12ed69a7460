"""What a good file says but its writer hardly wants: warnings, each at its schedule's mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice, pairwise, takewhile

import msgspec

from common.documents import Problem
from common.schedule.calendar import Calendar
from common.schedule.cron import parse_cron
from common.schedule.entry import Entry
from common.schedule.spec import InstanceSpec, Recurrence

MOST_STARTS_AN_HOUR = 60
DUES_TO_LOOK_AT = 12
YEAR = timedelta(days=366)
_Warning = tuple[str, str, str]


def lint(
    entries: Iterable[Entry], instances: Iterable[InstanceSpec], now: datetime
) -> Iterator[Problem]:
    """Yield warnings of entries without problems, and of the specs made of them.

    Of an inherited schedule the first instance is looked at that has these limits.
    """
    seen: set[tuple[int, str, int | None]] = set()
    for entry, spec in zip(entries, instances, strict=True):
        key = (id(spec.schedule), spec.overlap, spec.timeout_s)
        if spec.schedule is None or key in seen:
            continue
        seen.add(key)
        node, path = entry.place_of("schedule")
        for code, message, hint in _warnings(spec, spec.schedule, now):
            yield Problem(entry.file, node.line, node.column, path, code,
                          f"{spec.id}: {message}", hint)  # fmt: skip


def _warnings(spec: InstanceSpec, recurrence: Recurrence, now: datetime) -> Iterator[_Warning]:
    # Counting `max_jobs` out would take longer than all the rest, and has no now.
    unlimited = msgspec.structs.replace(recurrence, max_jobs=None)
    calendar = Calendar(unlimited, spec.timezone)
    yield from _of_bounds(calendar, now)
    yield from _of_rate(spec, recurrence, calendar, now)
    yield from _of_limits(spec, recurrence)
    if recurrence.cron is not None:
        yield from _of_cron(recurrence.cron)


def _of_bounds(calendar: Calendar, now: datetime) -> Iterator[_Warning]:
    _, end = calendar.bounds
    if end is not None and end <= now:
        yield "end_in_the_past", "`end` is in the past", "it will not run again"
    elif calendar.next_due(now) is None:
        yield "never_fires", "nothing is due from now on", "look at `start` and `end`"


def _of_rate(
    spec: InstanceSpec, recurrence: Recurrence, calendar: Calendar, now: datetime
) -> Iterator[_Warning]:
    if recurrence.unit == "s" and 0 < recurrence.step * MOST_STARTS_AN_HOUR < 3600:
        yield ("fires_often", f"it is due every {recurrence.step} s, more than 60 times an hour",
               "is the unit of `interval` right?")  # fmt: skip
    duration_s = recurrence.duration_s
    if duration_s is None or spec.overlap != "skip":
        return
    gap_s = _shortest_gap(recurrence, calendar, now)
    if gap_s is not None and duration_s > gap_s:
        yield ("skips_itself",
               f"`duration` is {duration_s} s, but it is due every {gap_s} s and skips overlaps",
               "a shorter duration, or another `overlap`")  # fmt: skip


def _of_limits(spec: InstanceSpec, recurrence: Recurrence) -> Iterator[_Warning]:
    duration_s = recurrence.duration_s
    if duration_s is not None and spec.timeout_s is not None and spec.timeout_s >= duration_s:
        yield ("timeout_unused", "`timeout` is not shorter than `duration`: the stop time is first",
               "leave `timeout` out, or make it shorter")  # fmt: skip


def _of_cron(text: str) -> Iterator[_Warning]:
    cron = parse_cron(text)
    if not cron.is_day_free and not cron.is_weekday_free:
        yield ("cron_either_day", "day of month and day of week are both given: either matches",
               "as Vixie cron; give only one of them")  # fmt: skip
    elif cron.is_weekday_free and min(cron.days) > 28:
        yield ("cron_short_months", "shorter months have no such day and are left out",
               "`interval: 1mo` takes the last day there")  # fmt: skip


def _shortest_gap(recurrence: Recurrence, calendar: Calendar, now: datetime) -> int | None:
    """Return the seconds between two due times, the least of the next few."""
    if recurrence.form in {"every", "window"} and recurrence.unit == "s":
        return recurrence.step
    soon = takewhile(lambda due: due - now < YEAR, calendar.iterate(now))
    dues = list(islice(soon, DUES_TO_LOOK_AT))
    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(dues)]
    return int(min(gaps)) if gaps else None
