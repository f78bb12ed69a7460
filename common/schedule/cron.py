"""Five-field cron, matched on naive local times (schedule.md, 3).

Day-of-month and day-of-week as Vixie cron: either matches when both are restricted; a field that
begins with ``*`` is not restricted.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, time
from functools import cached_property

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS = {name: number for number, name in enumerate(_DAY_NAMES)}
_MACROS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}  # fmt: skip
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}), ("hour", 0, 23, {}), ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS), ("day of week", 0, 7, _DAYS),
)  # fmt: skip
_PART = re.compile(r"(\*|[a-z0-9]{1,3}(?:-[a-z0-9]{1,3})?)(?:/([0-9]{1,3}))?")


class CronError(ValueError):
    """What is wrong with a cron text; `hint` may say what to write instead."""

    def __init__(self, message: str, hint: str | None = None) -> None:
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
    def times(self) -> tuple[time, ...]:
        """The wall times of a matching day, in order."""
        return tuple(time(h, m) for h in sorted(self.hours) for m in sorted(self.minutes))

    @property
    def is_every_hour(self) -> bool:
        return len(self.hours) == 24

    def matches_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.is_day_free or self.is_weekday_free:
            return in_month and in_week
        return in_month or in_week

    @property
    def can_come(self) -> bool:
        """Whether any date matches (31 February never does)."""
        if not self.is_weekday_free and not self.is_day_free:
            return True
        return any(min(self.days) <= monthrange(2024, month)[1] for month in self.months)


def parse_cron(text: str) -> Cron:
    """Read a cron text; raise `CronError` with a hint."""
    lowered = text.strip().lower()
    if lowered == "@reboot":
        raise CronError("@reboot is not a time", "give a time, or depends_on")
    if lowered.startswith("@"):
        if lowered not in _MACROS:
            raise CronError(f"unknown macro {text}", f"one of {', '.join(_MACROS)}")
        lowered = _MACROS[lowered]
    words = lowered.split()
    if len(words) != len(_FIELDS):
        raise CronError(
            f"{len(words)} fields instead of five",
            "minute, hour, day of month, month, day of week; there are no seconds or years",
        )
    sets = [_field(word, *shape) for word, shape in zip(words, _FIELDS, strict=True)]
    cron = Cron(
        sets[0], sets[1], sets[2], sets[3], frozenset(day % 7 for day in sets[4]),
        words[2].startswith("*"), words[4].startswith("*"),
    )  # fmt: skip
    if not cron.can_come:
        raise CronError("this date never comes", "look at day of month and month")
    return cron


def _field(word: str, name: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in word.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise CronError(f"{name}: cannot read {part!r}", "? L W # are not known; use * , - /")
        body, step = found.groups()
        if step is not None and (int(step) < 1 or (body != "*" and "-" not in body)):
            raise CronError(f"{name}: {part!r} is ambiguous", f"write {body}-{high}/{step}")
        first, last = (low, min(high, 6 if high == 7 else high)) if body == "*" else _ends(
            body, name, (low, high), names
        )
        values.update(range(first, last + 1, int(step or 1)))
    return frozenset(values)


def _ends(body: str, name: str, limits: tuple[int, int], names: dict[str, int]) -> tuple[int, int]:
    ends = [_number(word, name, limits, names) for word in body.split("-")]
    first, last = ends[0], ends[-1]
    if last < first:
        raise CronError(f"{name}: {body} runs backwards", "give two ranges instead")
    return first, last


def _number(word: str, name: str, limits: tuple[int, int], names: dict[str, int]) -> int:
    value = names.get(word, int(word) if word.isdigit() else -1)
    if not limits[0] <= value <= limits[1]:
        raise CronError(f"{name}: {word!r} is not in {limits[0]}-{limits[1]}")
    return value
