"""Five-field cron, matched on naive local times (schedule.md, 3).

Day-of-month and day-of-week as Vixie cron: either matches when both are restricted; a field that
begins with ``*`` is not restricted.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from functools import cached_property, lru_cache

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MACROS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}  # fmt: skip
_PART = re.compile(r"(\*|[a-z0-9]{1,3}(?:-[a-z0-9]{1,3})?)(?:/([0-9]{1,3}))?")
_EVERY_MONTH = frozenset(range(1, 13))
_EVERY_MONTH_DAY = frozenset(range(1, 32))


class CronError(ValueError):
    """What is wrong with a cron text; `hint` says what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Cron:
    """A parsed cron text: the sets its fields allow. Days of week are 0 (Sunday) .. 6."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_day_free: bool
    is_weekday_free: bool

    @cached_property
    def wall_times(self) -> tuple[int, ...]:
        """The times of a matching day, in seconds from its midnight, in order."""
        return tuple(h * 3600 + m * 60 for h in sorted(self.hours) for m in sorted(self.minutes))

    @property
    def is_every_hour(self) -> bool:
        return len(self.hours) == 24

    @property
    def is_weekly(self) -> bool:
        """Whether the day of the week alone decides."""
        return self.is_day_free and self.days == _EVERY_MONTH_DAY and self.months == _EVERY_MONTH

    @cached_property
    def month_days(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """The matching days of a month by (its first day of week from Monday 0, its length)."""
        return {
            (first, length): tuple(
                day for day in range(1, length + 1)
                if self._matches(day, (first + day) % 7)  # Monday 0 on day 1 is weekday 1 of cron
            )
            for first in range(7)
            for length in range(28, 32)
        }  # fmt: skip

    @property
    def can_come(self) -> bool:
        """Whether any date matches (31 February never does)."""
        if not self.is_weekday_free and not self.is_day_free:
            return True
        return any(min(self.days) <= monthrange(2024, month)[1] for month in self.months)

    def _matches(self, day: int, weekday: int) -> bool:
        in_month, in_week = day in self.days, weekday in self.weekdays
        if self.is_day_free or self.is_weekday_free:
            return in_month and in_week
        return in_month or in_week


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: dict[str, int]

    def read(self, word: str) -> frozenset[int]:
        values: set[int] = set()
        for part in word.split(","):
            values |= self._part(part)
        return frozenset(values)

    def _part(self, part: str) -> set[int]:
        found = _PART.fullmatch(part)
        if found is None:
            raise CronError(
                f"{self.name}: cannot read {part[:40]!r}",
                "numbers, names, lists, ranges and steps (* , - /); ? L W # are not known",
            )
        body, step = found.groups()
        if step is not None and int(step) < 1:
            raise CronError(f"{self.name}: a step of 0 goes nowhere", "a step is at least 1")
        if step is not None and body != "*" and "-" not in body:
            raise CronError(f"{self.name}: {part!r} is ambiguous",
                            f"write {body}-{self._last}/{step}")  # fmt: skip
        first, last = (self.low, self._last) if body == "*" else self._ends(body)
        return set(range(first, last + 1, int(step or 1)))

    @property
    def _last(self) -> int:
        return 6 if self.high == 7 else self.high

    def _ends(self, body: str) -> tuple[int, int]:
        ends = [self._number(word) for word in body.split("-")]
        first, last = ends[0], ends[-1]
        if last < first:
            raise CronError(
                f"{self.name}: {body} runs backwards",
                f"write two ranges: {first}-{self._last},{self.low}-{last}",
            )
        return first, last

    def _number(self, word: str) -> int:
        value = self.names.get(word, int(word) if word.isdigit() else -1)
        if not self.low <= value <= self.high:
            names = f", or {' '.join(self.names)}" if self.names else ""
            raise CronError(f"{self.name}: {word!r} is not in {self.low}-{self.high}",
                            f"{self.low} to {self.high}{names}")  # fmt: skip
        return value


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTH_NAMES, 1)}),
    _Field("day of week", 0, 7, {name: number for number, name in enumerate(_DAY_NAMES)}),
)


@lru_cache(maxsize=1024)
def parse_cron(text: str) -> Cron:
    """Read a cron text; raise `CronError` with a hint."""
    words = _expand(text.strip().lower()).split()
    if len(words) != len(_FIELDS):
        raise CronError(
            f"{len(words)} fields instead of five",
            "minute, hour, day of month, month, day of week; there are no seconds or years",
        )
    minutes, hours, days, months, weekdays = (
        field.read(word) for field, word in zip(_FIELDS, words, strict=True)
    )
    cron = Cron(
        minutes, hours, days, months, frozenset(day % 7 for day in weekdays),
        is_day_free=words[2].startswith("*"), is_weekday_free=words[4].startswith("*"),
    )  # fmt: skip
    if not cron.can_come:
        raise CronError("this date never comes", "look at day of month and month")
    return cron


def _expand(text: str) -> str:
    if text == "@reboot":
        raise CronError("@reboot is not a time", "give a time, or depends_on")
    if text.startswith("@") and text not in _MACROS:
        raise CronError(f"unknown macro {text[:40]}", f"one of {', '.join(_MACROS)}")
    return _MACROS.get(text, text)
