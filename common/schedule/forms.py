"""The forms that count steps from an anchor: once, elapsed steps, calendar steps.

A form knows no bounds (`calendar` does): it gives the due time after an instant, the one at or
before it, and the n-th after it. Instants are whole seconds from 1970 (`local_time`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from common.schedule.days import LAST_DAY, Chosen
from common.schedule.local_time import DAY_S, EPOCH_DAY, LAST_S, LocalZone, midnight_of
from common.schedule.spec import Recurrence

STEPS_AROUND = 1  # a clock change moves a due time by a day at most
MONTHS_BEFORE_10000 = 120_000


class Form(ABC):
    """All due times of a schedule without its bounds."""

    __slots__ = ()  # here and below: a million schedules may be resident

    @abstractmethod
    def after(self, seconds: int) -> int | None:
        """Return the first due time strictly after an instant."""

    @abstractmethod
    def until(self, seconds: int) -> int | None:
        """Return the last due time at or before an instant."""

    def nth_after(self, seconds: int, count: int, end: int) -> int | None:
        """Return the `count`-th due time after an instant, or the last one before `end`."""
        found = None
        for _ in range(count):
            due = self.after(seconds if found is None else found)
            if due is None or due >= end:
                break
            found = due
        return found


class Once(Form):
    """One written local time: mostly one instant, none in a skipped gap, two in an overlap."""

    __slots__ = ("_instants",)

    def __init__(self, instants: tuple[int, ...]) -> None:
        self._instants = instants

    def after(self, seconds: int) -> int | None:
        return next((due for due in self._instants if due > seconds), None)

    def until(self, seconds: int) -> int | None:
        return next((due for due in reversed(self._instants) if due <= seconds), None)


class Elapsed(Form):
    """Every so many seconds from an instant, on the local dates that are not excluded."""

    __slots__ = ("_days", "_start", "_step", "_zone")

    def __init__(self, start: int, step: int, zone: LocalZone, chosen: Chosen) -> None:
        self._start = start
        self._step = step
        self._zone = zone
        self._days = chosen.days if chosen.has_excluded else None

    def after(self, seconds: int) -> int | None:
        if seconds < self._start:
            due = self._start
        else:
            due = self._start + ((seconds - self._start) // self._step + 1) * self._step
        while self._days is not None and due <= LAST_S:
            day = self._zone.day_at(due)
            free = self._days.first_from(day)
            if free is None or free == day:
                break
            opening = self._zone.instant(midnight_of(free))
            due += max(1, -((due - opening) // self._step)) * self._step
        return due if due <= LAST_S else None

    def until(self, seconds: int) -> int | None:
        due = self._start + (seconds - self._start) // self._step * self._step
        while self._days is not None and due >= self._start:
            day = self._zone.day_at(due)
            free = self._days.last_until(day)
            if free is None or free == day:
                break
            closing = self._zone.instant(midnight_of(free + 1))
            due -= max(1, -((closing - 1 - due) // self._step)) * self._step
        return due if due >= self._start else None

    def nth_after(self, seconds: int, count: int, end: int) -> int | None:
        found = None
        while count > 0:
            due = self.after(seconds if found is None else found)
            if due is None or due >= end:
                break
            steps = min(count - 1, (self._free_until(due, end) - 1 - due) // self._step)
            found = due + steps * self._step
            count -= steps + 1
        return found

    def _free_until(self, due: int, end: int) -> int:
        """Return an instant before which no step from `due` on is excluded."""
        if self._days is None:
            return min(end, LAST_S + 1)
        day = self._zone.day_at(due)
        if self._zone.plain_offset(day) is None:
            return due + 1  # here a clock may show the same date twice: one step at a time
        return min(end, self._zone.instant(midnight_of(day + 1)))


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where calendar steps begin: on the wall; `instant` where the file gave it an offset."""

    wall: int
    instant: int | None = None


class Steps(Form):
    """Every so many days or months on the zone's wall; months clamp from the anchor."""

    __slots__ = (
        "_anchor", "_day", "_days", "_first_month", "_is_months", "_policies", "_step", "_time_s",
        "_zone",
    )  # fmt: skip

    def __init__(
        self, anchor: Anchor, recurrence: Recurrence, zone: LocalZone, chosen: Chosen
    ) -> None:
        self._anchor = anchor
        self._day, self._time_s = EPOCH_DAY + anchor.wall // DAY_S, anchor.wall % DAY_S
        self._first_month = _month_of(self._day)
        self._step = recurrence.step
        self._is_months = recurrence.unit == "mo"
        self._policies = recurrence.dst_gap, recurrence.dst_overlap
        self._zone = zone
        self._days = chosen.days

    def after(self, seconds: int) -> int | None:
        count = max(0, self._count_at(seconds) - STEPS_AROUND)
        while (day := self._day_of(count)) is not None:
            for due in self._on(day, count):
                if due > seconds:
                    return due
            free = self._days.first_from(day)
            if free is None:
                break
            count = max(count + 1, self._count_on(free))
        return None

    def until(self, seconds: int) -> int | None:
        for count in range(self._count_at(seconds) + STEPS_AROUND, -1, -1):
            day = self._day_of(count)
            dues = () if day is None else self._on(day, count)
            for due in reversed(dues):
                if due <= seconds:
                    return due
        return None

    def first(self) -> tuple[int, ...]:
        """Return what the anchor itself stands for."""
        return self._on(self._day, 0)

    def _count_at(self, seconds: int) -> int:
        """Estimate how many steps lie before an instant; off by one at most."""
        return self._count_on(self._zone.day_at(seconds))

    def _count_on(self, day: int) -> int:
        """Return how many steps lie before a day, or one more."""
        if self._is_months:
            return (_month_of(day) - self._first_month) // self._step
        return (day - self._day) // self._step

    def _day_of(self, count: int) -> int | None:
        if not self._is_months:
            day = self._day + count * self._step
            return day if day <= LAST_DAY else None
        month = self._first_month + count * self._step
        if month >= MONTHS_BEFORE_10000:
            return None
        year, number = month // 12, month % 12 + 1
        length = monthrange(year, number)[1]
        return date(year, number, min(date.fromordinal(self._day).day, length)).toordinal()

    def _on(self, day: int, count: int) -> tuple[int, ...]:
        if day > LAST_DAY or self._days.first_from(day) != day:
            return ()
        if count == 0 and self._anchor.instant is not None:
            return (self._anchor.instant,)
        offset = self._zone.plain_offset(day)
        if offset is not None:
            return (midnight_of(day) + self._time_s - offset,)
        if not self._zone.has_day(day):
            return ()
        return self._zone.instants(midnight_of(day) + self._time_s, *self._policies)


def _month_of(day: int) -> int:
    """Return the months since year 0."""
    shown = date.fromordinal(day)
    return shown.year * 12 + shown.month - 1
