"""The forms that begin anew each local day: daily, window and cron.

On a day whose clock never changes every due time is its midnight plus a time of day, so a search is
one bisection; only the other days are counted out.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import time

from common.schedule.cron import Cron
from common.schedule.days import Days
from common.schedule.forms import Form
from common.schedule.local_time import DAY_S, LAST_S, LocalZone, midnight_of
from common.schedule.spec import Recurrence

DayDues = tuple[int, Sequence[int]]  # a base, and the due times as rising distances from it
_MOST_DAYS_KEPT = 16


class ByDay(Form):
    """Due times written for local days. Any thread may use it, as `LocalZone`."""

    __slots__ = ("_changing", "_days", "_zone")
    reach = 0  # how many days after its own a day's due times may fall, without a clock change

    def __init__(self, zone: LocalZone, days: Days) -> None:
        self._zone = zone
        self._days = days
        self._changing: dict[int, Sequence[int]] | None = None  # by day; made when needed

    @abstractmethod
    def _on_plain(self, day: int, offset: int) -> DayDues:
        """Return the due times of a day whose clock never changes."""

    @abstractmethod
    def _on_changing(self, day: int) -> Sequence[int]:
        """Return the due times of any day, rising."""

    def after(self, seconds: int) -> int | None:
        if seconds >= LAST_S:
            return None
        best = None
        day = self._days.first_from(self._first_day(seconds))
        while day is not None:
            base, dues = self._on(day)
            index = bisect_right(dues, seconds - base)
            found = base + dues[index] if index < len(dues) else None
            if best is not None:
                return best if found is None else min(best, found)
            if found is not None and not self._may_cross(day):
                return found
            # The day after may have a due time before this one's: a second pass over midnight.
            best = found
            day = self._days.first_from(day + 1)
        return best

    def until(self, seconds: int) -> int | None:
        best = None
        day = self._days.last_until(self._zone.day_at(seconds) + 1)
        while day is not None:
            base, dues = self._on(day)
            index = bisect_right(dues, seconds - base)
            found = base + dues[index - 1] if index else None
            if best is not None:
                return best if found is None else max(best, found)
            if found is not None and not self._may_cross(day - 1):
                return found
            best = found
            day = self._days.last_until(day - 1)
        return best

    def nth_after(self, seconds: int, count: int, end: int) -> int | None:
        found = None
        while count > 0:
            due = self.after(seconds if found is None else found)
            if due is None or due >= end:
                break
            found, count = due, count - 1
            day = self.day_of(due)
            if day is None or self._may_cross(day):
                continue
            base, dues = self._on(day)
            first = bisect_right(dues, due - base)
            last = min(first + count, bisect_left(dues, end - base))
            if last > first:
                found, count = base + dues[last - 1], count - (last - first)
        return found

    def day_of(self, due: int) -> int | None:
        """Return the day that a due time is written for; None for what is no due time."""
        shown = self._zone.day_at(due)
        for day in range(shown - self.reach - 1, shown + 2):
            base, dues = self._on(day)
            index = bisect_left(dues, due - base)
            if index < len(dues) and base + dues[index] == due and self._takes(day):
                return day
        return None

    def _takes(self, day: int) -> bool:
        return self._days.first_from(day) == day

    def _on(self, day: int) -> DayDues:
        offset = self._zone.plain_offset(day)
        if offset is not None and (not self.reach or self._zone.plain_offset(day + 1) is not None):
            return self._on_plain(day, offset)
        kept = self._changing
        if kept is None or len(kept) >= _MOST_DAYS_KEPT:
            kept = self._changing = {}
        known = kept.get(day)
        if known is None:
            known = kept[day] = self._on_changing(day) if self._zone.has_day(day) else ()
        return 0, known

    def _first_day(self, seconds: int) -> int:
        day = self._zone.day_at(seconds)
        if any(self._zone.plain_offset(near) is None for near in (day - 1, day)):
            return day - self.reach - 1
        return day - self.reach

    def _may_cross(self, day: int) -> bool:
        """Tell whether due times of a day and of the one after may not follow each other."""
        plain = self._zone.plain_offset
        return plain(day) is None or plain(day + 1) is None


class AtTimes(ByDay):
    """The same times of day on each chosen day: daily and cron."""

    __slots__ = ("_policies", "_times")

    def __init__(
        self, times_s: tuple[int, ...], policies: tuple[str, str], zone: LocalZone, days: Days
    ) -> None:
        super().__init__(zone, days)
        self._times = times_s
        self._policies = policies

    def _on_plain(self, day: int, offset: int) -> DayDues:
        return midnight_of(day) - offset, self._times

    def _on_changing(self, day: int) -> Sequence[int]:
        midnight = midnight_of(day)
        return sorted(
            {
                due
                for time in self._times
                for due in self._zone.instants(midnight + time, *self._policies)
            }
        )


class Windows(ByDay):
    """Steps from each day's opening while before that window's end."""

    __slots__ = ("_policies", "_step", "_window")
    reach = 1

    def __init__(self, recurrence: Recurrence, window: Window, zone: LocalZone, days: Days) -> None:
        super().__init__(zone, days)
        self._window = window
        self._step = recurrence.step
        self._policies = recurrence.dst_gap, recurrence.dst_overlap

    def _on_plain(self, day: int, offset: int) -> DayDues:
        return midnight_of(day) - offset, range(self._window.opens_s, self._window.ends_s,
                                                self._step)  # fmt: skip

    def _on_changing(self, day: int) -> Sequence[int]:
        midnight = midnight_of(day)
        openings = self._zone.instants(midnight + self._window.opens_s, *self._policies)
        if not openings:
            return ()
        return range(openings[0], self._zone.instant(midnight + self._window.ends_s), self._step)


class Window:
    """From `start_time` to `end_time`, in seconds from the day's midnight. Frozen."""

    __slots__ = ("ends_s", "opens_s")

    def __init__(self, recurrence: Recurrence) -> None:
        start, end = recurrence.start_time, recurrence.end_time
        self.opens_s = _seconds(start)
        self.ends_s = DAY_S if recurrence.ends_at_midnight else _seconds(end)
        if self.ends_s <= self.opens_s:
            self.ends_s += DAY_S

    def end_after(self, due: int, day: int | None, zone: LocalZone) -> int:
        """Return the first end after a due time; `day` is the one it is written for.

        Where a gap moves a start to or past its own end, the end moves with it, by as much.
        """
        first = zone.day_at(due) - 2 if day is None else day
        for later in range(first, first + 5):
            wall = midnight_of(later) + self.ends_s
            end = zone.instant(wall)
            if end > due:
                return end
            if later == day and zone.is_in_gap(midnight_of(later) + self.opens_s):
                return due + self.ends_s - self.opens_s
        return due + DAY_S


def cron_form(cron: Cron, recurrence: Recurrence, zone: LocalZone, days: Days) -> ByDay:
    """Make the form of a cron text; one that names all 24 hours runs in both passes."""
    overlap = "both" if cron.is_every_hour else recurrence.dst_overlap
    return AtTimes(cron.wall_times, (recurrence.dst_gap, overlap), zone, days)


def daily_form(recurrence: Recurrence, zone: LocalZone, days: Days) -> ByDay:
    """Make the form of one time a day."""
    times_s = (_seconds(recurrence.start_time),)
    return AtTimes(times_s, (recurrence.dst_gap, recurrence.dst_overlap), zone, days)


def _seconds(written: time | None) -> int:
    return 0 if written is None else written.hour * 3600 + written.minute * 60 + written.second
