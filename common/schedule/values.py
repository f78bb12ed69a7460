"""The small words of a schedule file: times, dates, durations, sizes, days (schedule.md, 2).

Each reader takes a text and returns its value, or raises `ValueError` saying what was expected.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT_AFTER = "24:00"

ID = r"[a-z0-9][a-z0-9-]{0,61}"
NAME = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
SENSOR = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
LABEL = r"[A-Za-z0-9_./-]{1,128}"
APP = r"\S{1,255}"
SECRET_NAME = r"[a-z0-9][a-z0-9._-]{0,62}"  # noqa: S105 - a pattern
URL = r"https?://\S+"
MAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,7}"
TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])(:([0-5][0-9]))?"
END_TIME = rf"{TIME}|{MIDNIGHT_AFTER}"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
OFFSET = r"Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]"
MOMENT = rf"{DATE}T{TIME}({OFFSET})?"
SPAN = r"([0-9]{1,12})(s|m|h|d)"
INTERVAL = r"([0-9]{1,12})(mo|s|m|h|d|w)"
SIZE = r"([0-9]{1,12})(KiB|MiB|GiB)"
DAY_RANGE = rf"({'|'.join(DAYS)})(-({'|'.join(DAYS)}))?"

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DAYS_IN = {"d": 1, "w": 7}
_SIZES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_MOST_DAYS = 100 * 366
_MOST_MONTHS = 100 * 12


def read_time(text: str) -> time:
    found = re.fullmatch(TIME, text)
    if found is None and text == MIDNIGHT_AFTER:
        raise ValueError("24:00 is only an end_time; a day begins at 00:00")
    if found is None:
        raise ValueError("a time of day is HH:MM or HH:MM:SS, from 00:00 to 23:59:59")
    return time(int(found[1]), int(found[2]), int(found[4] or 0))


def read_end_time(text: str) -> time | None:
    """Return a time of day, or None for 24:00."""
    return None if text == MIDNIGHT_AFTER else read_time(text)


def read_moment(text: str) -> datetime:
    """Return a date-time, naive where it carries no offset."""
    if re.fullmatch(MOMENT, text) is None:
        raise ValueError("a date-time is YYYY-MM-DDTHH:MM[:SS] and may end in Z or +HH:MM")
    read_date(text[:10])
    return datetime.fromisoformat(text)


def read_date(text: str) -> date:
    try:
        if re.fullmatch(DATE, text) is not None:
            return date.fromisoformat(text)
    except ValueError:
        raise ValueError("the calendar has no such date; a date is YYYY-MM-DD") from None
    raise ValueError("a date is YYYY-MM-DD")


def read_span(text: str) -> int:
    """Return seconds elapsed; a day is 24 h."""
    found = re.fullmatch(SPAN, text)
    if found is None:
        raise ValueError("digits and one of s m h d, like 10m")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if not 1 <= seconds <= _MOST_DAYS * 86400:
        raise ValueError("at least 1s, at most 36600d")
    return seconds


def read_interval(text: str) -> tuple[int, str]:
    """Return (count, unit): seconds elapsed ("s"), or calendar days ("d") or months ("mo")."""
    found = re.fullmatch(INTERVAL, text)
    if found is None:
        raise ValueError("digits and one of s m h d w mo, like 30m")
    count, unit = int(found[1]), found[2]
    if unit in _SECONDS and unit != "d":
        step, most, unit = count * _SECONDS[unit], _MOST_DAYS * 86400, "s"
    elif unit == "mo":
        step, most = count, _MOST_MONTHS
    else:
        step, most, unit = count * _DAYS_IN[unit], _MOST_DAYS, "d"
    if not 1 <= step <= most:
        raise ValueError("at least 1s, at most 36600d or 1200mo")
    return step, unit


def read_size(text: str) -> int:
    """Return bytes."""
    found = re.fullmatch(SIZE, text)
    if found is None or not 1 <= int(found[1]) <= 10**6:
        raise ValueError("digits and one of KiB MiB GiB, like 128MiB")
    return int(found[1]) * _SIZES[found[2]]


def read_days(text: str) -> set[int]:
    """Return days of the week, 0 is Monday, of one day or a rising range."""
    found = re.fullmatch(DAY_RANGE, text)
    if found is None:
        raise ValueError(f"days are {' '.join(DAYS)} and ranges like mon-fri")
    first, last = DAYS.index(found[1]), DAYS.index(found[3] or found[1])
    if last < first:
        raise ValueError(f"{text} runs backwards: write {DAYS[first]}-sun and mon-{DAYS[last]}")
    return set(range(first, last + 1))
