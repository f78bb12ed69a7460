"""When an instance is due and when its jobs stop: spec in, instants out. Pure.

Due times are a *set of UTC instants*; ``next_due(t) > t`` always. Day-based forms are counted day
by day in the zone; elapsed ones by arithmetic in UTC.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import islice

from common.schedule.cron import Cron, parse_cron
from common.schedule.local_time import (
    has_day,
    instant_of,
    instants_of,
    is_in_gap,
    local_of,
    zone_of,
)
from common.schedule.spec import InstanceSpec, Recurrence

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
HORIZON_DAYS = 366 * 41  # 29 February on one weekday comes every 28 years, or 40 over 2100
LAST_DAY = date(2199, 12, 31)
MOST_DAYS_KEPT = 16


class Calendar:
    """All due times of one schedule."""

    def __init__(self, recurrence: Recurrence, timezone: str) -> None:
        self._r = recurrence
        self._zone = zone_of(timezone)
        self._excluded = frozenset(recurrence.exclude)
        # A window may run on into the next day and a shift move a time over midnight.
        self._reach = timedelta(days=2 if recurrence.form == "window" else 1)
        self._days_seen: dict[date, list[datetime]] = {}

    def next_due(self, after: datetime) -> datetime | None:
        """Return the first due time strictly after an instant."""
        return next(self._from(after), None)

    def due_between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """Return the due times t with after < t <= until, at most `limit`, oldest first."""
        found: list[datetime] = []
        for due in self._from(after):
            if due > until or len(found) == limit:
                break
            found.append(due)
        return found

    def previous_due(self, at_or_before: datetime) -> datetime | None:
        """Return the last due time t <= at_or_before."""
        reach = DAY
        floor = self._start_instant or datetime(1970, 1, 1, tzinfo=UTC)
        while True:
            begin = max(at_or_before - reach, floor - SECOND)
            last = None
            for due in self._from(begin):
                if due > at_or_before:
                    break
                last = due
            if last is not None or begin < floor:
                return last
            reach *= 4
            if reach > timedelta(days=366 * 60):
                return None

    def stop_time(self, due: datetime) -> datetime | None:
        """Return the earliest stop that exists: end_time, end, nominal start + duration."""
        stops = [self._window_end_after(due), self._end_instant]
        if self._r.duration_s is not None:
            stops.append(due + timedelta(seconds=self._r.duration_s))
        return min((stop for stop in stops if stop is not None), default=None)

    def _from(self, after: datetime) -> Iterator[datetime]:
        """Yield due times strictly after an instant, rising, within the bounds."""
        end, start = self._end_instant, self._start_instant
        if start is not None and after < start:
            after = start - timedelta(microseconds=1)
        last = self._last_by_count
        if self._r.max_jobs is not None and last is None:
            return
        for due in self._unbounded(after):
            if (end is not None and due >= end) or (last is not None and due > last):
                return
            yield due

    @cached_property
    def _last_by_count(self) -> datetime | None:
        if self._r.max_jobs is None or self._start_instant is None:
            return None
        bounded = self._unbounded(self._start_instant - timedelta(microseconds=1))
        last = None
        for due in islice(bounded, self._r.max_jobs):
            if self._end_instant is not None and due >= self._end_instant:
                break
            last = due
        return last

    def _unbounded(self, after: datetime) -> Iterator[datetime]:
        match self._r.form:
            case "once":
                yield from (due for due in self._once() if due > after)
            case "every" if self._r.unit == "s":
                yield from self._elapsed(after)
            case "every":
                yield from self._calendar_steps(after)
            case _:
                yield from self._by_days(after)

    def _once(self) -> tuple[datetime, ...]:
        return self._written(self._r.start, is_kept=True)

    def _elapsed(self, after: datetime) -> Iterator[datetime]:
        start, step = self._start_instant, timedelta(seconds=self._r.step)
        if start is None:
            return
        count = max(0, (after - start) // step + 1)
        due = start + count * step
        while due.date() <= LAST_DAY:
            local_day = local_of(due, self._zone).date() if self._excluded or self._r.days else None
            if local_day is None or self._takes(local_day):
                yield due
            due += step

    def _calendar_steps(self, after: datetime) -> Iterator[datetime]:
        anchor = self._r.start
        if anchor is None:
            return
        if anchor.tzinfo is not None:
            anchor = local_of(anchor, self._zone)
        count = self._steps_before(anchor, after)
        seen = after
        while True:
            local = self._step(anchor, count)
            if local.date() > LAST_DAY:
                return
            count += 1
            if self._takes(local.date()) and has_day(local.date(), self._zone):
                for due in self._written(local, is_kept=True):
                    if due > seen:
                        seen = due
                        yield due

    def _steps_before(self, anchor: datetime, after: datetime) -> int:
        days = (local_of(after, self._zone) - anchor).days - 2
        step = self._r.step * (1 if self._r.unit == "d" else 31)
        return max(0, days // step)

    def _step(self, anchor: datetime, count: int) -> datetime:
        if self._r.unit == "d":
            return anchor + count * self._r.step * DAY
        months = anchor.month - 1 + count * self._r.step
        year, month = anchor.year + months // 12, months % 12 + 1
        return anchor.replace(
            year=year, month=month, day=min(anchor.day, monthrange(year, month)[1])
        )

    def _by_days(self, after: datetime) -> Iterator[datetime]:
        """Count day by day; one day earlier, since a window or a shift may reach over midnight."""
        day = local_of(after, self._zone).date() - self._reach
        last = min(LAST_DAY, day + timedelta(days=HORIZON_DAYS))
        seen = after
        while day <= last:
            dues = self._on_day(day)
            for due in dues[bisect_right(dues, seen) :]:
                seen = due
                last = min(LAST_DAY, day + timedelta(days=HORIZON_DAYS))
                yield due
            day += DAY

    def _on_day(self, day: date) -> list[datetime]:
        """Return the due times of what is written for one local day, in order."""
        known = self._days_seen.get(day)
        if known is not None:
            return known
        is_chosen = self._takes(day) and (self._cron is None or self._cron.matches_day(day))
        dues = self._count_day(day) if is_chosen and has_day(day, self._zone) else []
        if len(self._days_seen) >= MOST_DAYS_KEPT:
            self._days_seen.clear()
        self._days_seen[day] = dues
        return dues

    def _count_day(self, day: date) -> list[datetime]:
        if self._cron is not None:
            overlap = "both" if self._cron.is_every_hour else self._r.dst_overlap
            times = (datetime.combine(day, at) for at in self._cron.times)
            found = {
                due
                for local in times
                for due in instants_of(local, self._zone, self._r.dst_gap, overlap)
            }
            return sorted(found)
        opening = datetime.combine(day, self._r.start_time or time())
        if self._r.form == "daily":
            openings = instants_of(opening, self._zone, self._r.dst_gap, self._r.dst_overlap)
            return list(openings)
        return list(self._window(day, opening))

    def _window(self, day: date, opening: datetime) -> Iterator[datetime]:
        openings = instants_of(opening, self._zone, self._r.dst_gap, self._r.dst_overlap)
        if not openings:
            return
        due, end = openings[0], instant_of(self._written_end(day), self._zone)
        step = timedelta(seconds=self._r.step)
        while due < end:
            yield due
            due += step

    def _written_end(self, day: date) -> datetime:
        """Return the local time at which what opens on `day` ends."""
        start, end = self._r.start_time or time(), self._r.end_time or time()
        if self._r.ends_at_midnight or end <= start:
            day += DAY
        return datetime.combine(day, time() if self._r.ends_at_midnight else end)

    def _window_end_after(self, due: datetime) -> datetime | None:
        """Return the end of the day or window a due time belongs to.

        Where a gap moves a daily start to or past its own end_time, the end moves with it by as
        much as the start did, keeping the written length.
        """
        if self._r.end_time is None and not self._r.ends_at_midnight:
            return None
        local = local_of(due, self._zone)
        for back in (2, 1, 0):
            day = local.date() - back * DAY
            if due in self._on_day(day):
                end = instant_of(self._written_end(day), self._zone)
                opening = datetime.combine(day, self._r.start_time or time())
                if end <= due and is_in_gap(opening, self._zone):
                    return due + (self._written_end(day) - opening)
                return end
        return None

    def _written(self, local: datetime | None, *, is_kept: bool) -> tuple[datetime, ...]:
        if local is None:
            return ()
        if local.tzinfo is not None:
            return (local.astimezone(UTC),) if is_kept else ()
        return instants_of(local, self._zone, self._r.dst_gap, self._r.dst_overlap)

    def _takes(self, day: date) -> bool:
        in_week = not self._r.days or day.weekday() in self._r.days
        return in_week and day not in self._excluded

    @cached_property
    def _cron(self) -> Cron | None:
        return parse_cron(self._r.cron) if self._r.cron else None

    @cached_property
    def _start_instant(self) -> datetime | None:
        return self._bound(self._r.start)

    @cached_property
    def _end_instant(self) -> datetime | None:
        return self._bound(self._r.end)

    def _bound(self, written: datetime | None) -> datetime | None:
        if written is None:
            return None
        return written.astimezone(UTC) if written.tzinfo else instant_of(written, self._zone)


def compile_schedule(spec: InstanceSpec) -> Calendar | None:
    """Return the calendar of an instance; None for one that only depends on others."""
    return Calendar(spec.schedule, spec.timezone) if spec.schedule else None
