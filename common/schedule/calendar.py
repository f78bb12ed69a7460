"""When an instance is due and when its jobs stop: spec in, instants out. Pure.

Due times are a *set of UTC instants*; ``next_due(t) > t`` always. What is due without bounds is
known by the forms (`forms`, `by_day`); the bounds and the stop times are known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from common.schedule.by_day import ByDay, Window, Windows, cron_form, daily_form
from common.schedule.days import Chosen
from common.schedule.forms import Anchor, Elapsed, Form, Once, Steps
from common.schedule.local_time import (
    EPOCH,
    FIRST_S,
    LAST_S,
    SECOND,
    LocalZone,
    moment_of,
    seconds_of,
    wall_of,
    zone_of,
)
from common.schedule.spec import InstanceSpec, Recurrence


class Calendar:
    """All due times of one schedule. Any thread may use it: what it finds out is kept whole."""

    __slots__ = (
        "_end", "_floor", "_form", "_last", "_last_by_end", "_recurrence", "_start", "_window",
        "_zone",
    )  # fmt: skip

    def __init__(
        self, recurrence: Recurrence, timezone: str, chosen: Chosen | None = None
    ) -> None:  # fmt: skip
        self._recurrence = recurrence
        self._zone = zone_of(timezone)
        self._start = _bound(recurrence.start, self._zone)
        self._end = _bound(recurrence.end, self._zone)
        self._floor = FIRST_S if self._start is None else self._start - 1
        self._last_by_end = LAST_S - 1 if self._end is None else self._end - 1
        self._form = _form_of(
            recurrence, self._zone, self._start or 0, chosen or Chosen(recurrence)
        )
        is_counted = recurrence.max_jobs is not None and self._start is not None
        self._last: int | None = None if is_counted else self._last_by_end
        has_times = recurrence.end_time is not None or recurrence.ends_at_midnight
        self._window = Window(recurrence) if has_times else None

    def next_due(self, after: datetime) -> datetime | None:
        """Return the first due time strictly after an instant."""
        due = self._after((after - EPOCH) // SECOND)
        return None if due is None else EPOCH + due * SECOND

    def first_due(self) -> datetime | None:
        """Return the first due time there is, counted from 1970 where no `start` is given."""
        due = self._form.after(-1 if self._start is None else self._floor)
        return None if due is None or due > self._last_by_end else moment_of(due)

    def iterate(self, after: datetime) -> Iterator[datetime]:
        """Yield the due times strictly after an instant, rising."""
        seconds: int | None = seconds_of(after)
        while seconds is not None and (seconds := self._after(seconds)) is not None:
            yield moment_of(seconds)

    def due_between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """Return the due times t with after < t <= until, at most `limit`, oldest first."""
        found: list[datetime] = []
        for due in self.iterate(after):
            if due > until or len(found) == limit:
                break
            found.append(due)
        return found

    def previous_due(self, at_or_before: datetime) -> datetime | None:
        """Return the last due time t <= at_or_before."""
        seconds = min(seconds_of(at_or_before), self._find_last())
        due = self._form.until(seconds) if seconds > self._floor else None
        return moment_of(due) if due is not None and due > self._floor else None

    def stop_time(self, due: datetime) -> datetime | None:
        """Return the earliest stop that exists: end_time, end, nominal start + duration."""
        seconds = (due - EPOCH) // SECOND
        stops: list[int] = []
        if self._window is not None:
            day = self._form.day_of(seconds) if isinstance(self._form, ByDay) else None
            stops.append(self._window.end_after(seconds, day, self._zone))
        if self._end is not None:
            stops.append(self._end)
        if self._recurrence.duration_s is not None:
            stops.append(seconds + self._recurrence.duration_s)
        return moment_of(min(stops)) if stops else None

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """The instants `start` and `end`: start <= t < end."""
        start = None if self._start is None else moment_of(self._start)
        return start, None if self._end is None else moment_of(self._end)

    def _after(self, seconds: int) -> int | None:
        if seconds < self._floor:  # noqa: PLR1730 - half a microsecond less than max()
            seconds = self._floor
        if seconds >= LAST_S:
            return None
        due = self._form.after(seconds)
        last = self._last if self._last is not None else self._find_last()
        return due if due is not None and due <= last else None

    def _find_last(self) -> int:
        """Return the latest instant at which anything may be due; `max_jobs` is counted once."""
        if self._last is None:
            count, end = self._recurrence.max_jobs or 0, self._last_by_end + 1
            nth = self._form.nth_after(self._floor, count, end)
            self._last = self._floor if nth is None else nth
        return self._last


def compile_schedule(spec: InstanceSpec) -> Calendar | None:
    """Return the calendar of an instance; None for one that only depends on others."""
    return Calendar(spec.schedule, spec.timezone) if spec.schedule else None


def _form_of(recurrence: Recurrence, zone: LocalZone, start: int, chosen: Chosen) -> Form:
    if recurrence.form in {"once", "every"}:
        return _anchored(recurrence, zone, start, chosen)
    if chosen.cron is not None:
        return cron_form(chosen.cron, recurrence, zone, chosen.days)
    if recurrence.form == "daily":
        return daily_form(recurrence, zone, chosen.days)
    return Windows(recurrence, Window(recurrence), zone, chosen.days)


def _anchored(recurrence: Recurrence, zone: LocalZone, start: int, chosen: Chosen) -> Form:
    if recurrence.form == "every" and recurrence.unit == "s":
        return Elapsed(start, recurrence.step, zone, chosen)
    written = recurrence.start
    if written is None or written.tzinfo is not None:
        anchor = Anchor(zone.wall_at(start), start)
    else:
        anchor = Anchor(wall_of(written))
    if recurrence.form == "every":
        return Steps(anchor, recurrence, zone, chosen)
    return Once(Steps(anchor, recurrence, zone, chosen).first())


def _bound(written: datetime | None, zone: LocalZone) -> int | None:
    if written is None:
        return None
    if written.tzinfo is not None:
        return seconds_of(written)
    return min(max(zone.instant(wall_of(written)), FIRST_S), LAST_S)
