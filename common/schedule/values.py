"""The small words of a schedule file: times, dates, durations, sizes, days (schedule.md, 2).

Each reader takes a text and returns its value, or raises `ValueError` with what was expected.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_TIME = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SPAN = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_INTERVAL = re.compile(r"([0-9]{1,9})(mo|s|m|h|d|w)")
_SIZE = re.compile(r"([0-9]{1,9})(KiB|MiB|GiB)")
_LONGEST_S = 100 * 366 * 86400


def read_time(text: str) -> time:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("a time of day is HH:MM or HH:MM:SS")
    hour, minute, second = (int(part or 0) for part in found.groups())
    if (hour, minute, second) == (24, 0, 0):
        raise ValueError("24:00 is only an end_time; a day begins at 00:00")
    return time(hour, minute, second)


def read_moment(text: str) -> datetime:
    """Return a date-time, naive where it carries no offset."""
    if _MOMENT.fullmatch(text) is None:
        raise ValueError("a date-time is YYYY-MM-DDTHH:MM[:SS][Z|+HH:MM]")
    return datetime.fromisoformat(text)


def read_date(text: str) -> date:
    if _DATE.fullmatch(text) is None:
        raise ValueError("a date is YYYY-MM-DD")
    return date.fromisoformat(text)


def read_span(text: str) -> int:
    """Return seconds elapsed; a day is 24 h."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError("digits and one of s m h d, like 10m")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if not 1 <= seconds <= _LONGEST_S:
        raise ValueError("at least 1 s, at most 100 years")
    return seconds


def read_interval(text: str) -> tuple[int, str]:
    """Return (count, unit): seconds elapsed ("s"), or calendar days ("d") or months ("mo")."""
    found = _INTERVAL.fullmatch(text)
    if found is None:
        raise ValueError("digits and one of s m h d w mo, like 30m")
    count, unit = int(found[1]), found[2]
    if count < 1:
        raise ValueError("at least 1 s")
    if unit in {"s", "m", "h"}:
        return count * _SECONDS[unit], "s"
    if unit == "mo":
        return min(count, 12000), "mo"
    return min(count * (7 if unit == "w" else 1), 366000), "d"


def read_size(text: str) -> int:
    """Return bytes."""
    found = _SIZE.fullmatch(text)
    if found is None or int(found[1]) < 1:
        raise ValueError("digits and one of KiB MiB GiB, like 128MiB")
    return int(found[1]) * _SIZES[found[2]]


def read_days(text: str) -> set[int]:
    """Return days of the week, 0 is Monday, of one day or a rising range."""
    ends = text.split("-")
    if len(ends) > 2 or any(end not in DAYS for end in ends):
        raise ValueError(f"days are {' '.join(DAYS)} and ranges like mon-fri")
    first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
    if last < first:
        raise ValueError(f"{text} runs backwards: give two ranges")
    return set(range(first, last + 1))
