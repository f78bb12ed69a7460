"""Which local days a schedule chooses: days of the week or cron's dates, without the excluded.

Days are ordinals; a search ends at a limit, or where nothing can come any more.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Protocol

from common.schedule.cron import Cron, parse_cron
from common.schedule.spec import Recurrence

HORIZON_DAYS = 366 * 41  # 29 February on one weekday comes every 28 years, or 40 over 2100
LAST_DAY = date(9999, 12, 27).toordinal()
FIRST_DAY = date(1, 1, 4).toordinal()
WEEK = frozenset(range(7))


class Days(Protocol):
    """The chosen days, searched forwards and backwards; both ends count."""

    def first_from(self, day: int) -> int | None:
        """Return the first chosen day at or after one."""
        ...

    def last_until(self, day: int) -> int | None:
        """Return the last chosen day at or before one."""
        ...


class Weekdays:
    """Days of the week, 0 is Monday.

    Any thread may use it: it keeps the last stretch of days that it found nothing in, so that a
    long list of excluded days is walked once and not for every zone and instance.
    """

    __slots__ = ("_excluded", "_free", "_is_every_day", "_weekdays")

    def __init__(self, weekdays: frozenset[int], excluded: frozenset[int]) -> None:
        self._weekdays = weekdays
        self._excluded = excluded
        self._is_every_day = not excluded and weekdays >= WEEK
        self._free = (0, 0)

    def first_from(self, day: int) -> int | None:
        if self._is_every_day:
            return day if day <= LAST_DAY else None
        first, last = self._free
        if first <= day <= last:
            return last
        found = next((d for d in range(day, LAST_DAY + 1) if self._takes(d)), None)
        if found is not None:
            self._free = day, found
        return found

    def last_until(self, day: int) -> int | None:
        if self._is_every_day:
            return day if day >= FIRST_DAY else None
        return next((d for d in range(day, FIRST_DAY - 1, -1) if self._takes(d)), None)

    def _takes(self, day: int) -> bool:
        return (day - 1) % 7 in self._weekdays and day not in self._excluded


class CronDays:
    """The dates of a cron text, month by month. Any thread may use it, as `Weekdays`."""

    __slots__ = ("_cron", "_excluded", "_free")

    def __init__(self, cron: Cron, excluded: frozenset[int]) -> None:
        self._cron = cron
        self._excluded = excluded
        self._free = (0, 0)

    def first_from(self, day: int) -> int | None:
        first, last = self._free
        if first <= day <= last:
            return last
        for found in self._days_from(day):
            if found not in self._excluded:
                self._free = day, found
                return found
        return None

    def last_until(self, day: int) -> int | None:
        for found in self._days_until(day):
            if found not in self._excluded:
                return found
        return None

    def _days_from(self, day: int) -> Iterator[int]:
        begin = date.fromordinal(day)
        month, last = begin.year * 12 + begin.month - 1, min(day + HORIZON_DAYS, LAST_DAY)
        while (base := self._base(month)) < last:
            for number in self._numbers(month):
                if base + number >= day:
                    yield base + number
                    last = min(base + HORIZON_DAYS, LAST_DAY)
            month += 1

    def _days_until(self, day: int) -> Iterator[int]:
        begin = date.fromordinal(day)
        month, first = begin.year * 12 + begin.month - 1, max(day - HORIZON_DAYS, FIRST_DAY)
        while (base := self._base(month)) + 31 > first:
            for number in reversed(self._numbers(month)):
                if base + number <= day:
                    yield base + number
                    first = max(base - HORIZON_DAYS, FIRST_DAY)
            month -= 1

    @staticmethod
    def _base(month: int) -> int:
        """Return the day before a month's first; months count from year 0."""
        if not 12 <= month < 120_000:
            return LAST_DAY if month > 12 else FIRST_DAY - 40
        return date(month // 12, month % 12 + 1, 1).toordinal() - 1

    def _numbers(self, month: int) -> tuple[int, ...]:
        year, number = month // 12, month % 12 + 1
        if number not in self._cron.months:
            return ()
        return self._cron.month_days[monthrange(year, number)]


@cache
def _known_weekdays(weekdays: frozenset[int]) -> Weekdays:
    return Weekdays(weekdays, frozenset())


def _weekdays(weekdays: frozenset[int], excluded: frozenset[int]) -> Weekdays:
    """Share what excludes nothing: there are 127 of them."""
    return Weekdays(weekdays, excluded) if excluded else _known_weekdays(weekdays)


class Chosen:
    """What a schedule says of days, the same in every zone: made once for many calendars."""

    def __init__(self, recurrence: Recurrence) -> None:
        excluded = frozenset(day.toordinal() for day in recurrence.exclude)
        self.cron = parse_cron(recurrence.cron) if recurrence.cron else None
        self.days: Days
        self.has_excluded = bool(excluded)
        if self.cron is None:
            self.days = _weekdays(frozenset(recurrence.days) or WEEK, excluded)
        elif self.cron.is_weekly:
            weekdays = frozenset((day - 1) % 7 for day in self.cron.weekdays)
            self.days = _weekdays(weekdays, excluded)
        else:
            self.days = CronDays(self.cron, excluded)
