"""MySQL's functions that SQLite lacks, as far as our SQL calls them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

_UNITS = {
    "MICROSECOND": timedelta(microseconds=1),
    "SECOND": timedelta(seconds=1),
    "MINUTE": timedelta(minutes=1),
    "HOUR": timedelta(hours=1),
    "DAY": timedelta(days=1),
    "WEEK": timedelta(weeks=1),
}
_WIDTH = 26


def text_of(instant: datetime) -> str:
    """Return an aware instant as this database keeps it."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def instant_of(value: Any) -> datetime | None:
    """Return the instant that a text is, or None; a text of exactly this form is one."""
    if not isinstance(value, str) or len(value) != _WIDTH or value[4] != "-" or value[10] != " ":
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except ValueError:
        return None


def install(connection: sqlite3.Connection, now: Callable[[], datetime]) -> None:
    """Make the functions known to a connection."""
    functions: dict[str, tuple[int, Callable[..., Any]]] = {
        "UTC_TIMESTAMP": (-1, lambda *_: text_of(now())),
        "ADD_INTERVAL": (4, _add_interval),
        "DATE_ADD": (3, lambda at, amount, unit: _add_interval(at, 1, amount, unit)),
        "DATE_SUB": (3, lambda at, amount, unit: _add_interval(at, -1, amount, unit)),
        "TIMESTAMPDIFF": (3, _difference),
        "CONCAT": (-1, _concat),
        "JSON_UNQUOTE": (1, lambda text: text),  # SQLite's JSON_EXTRACT gives no quotes
        "CHAR_LENGTH": (1, lambda text: None if text is None else len(str(text))),
        "LEFT": (2, lambda text, count: None if text is None else str(text)[: int(count)]),
        "REGEXP": (2, lambda pattern, text: text is not None and bool(re.search(pattern, text))),
        "FIELD": (-1, lambda wanted, *among: among.index(wanted) + 1 if wanted in among else 0),
    }
    for name, (arguments, function) in functions.items():
        # within one statement UTC_TIMESTAMP is one instant, as in MySQL
        connection.create_function(name, arguments, function, deterministic=True)


def _add_interval(at: str | None, sign: int, amount: float | None, unit: str) -> str | None:
    if at is None or amount is None:
        return None
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return text_of(instant + sign * float(amount) * _UNITS[unit])


def _difference(unit: str, start: str | None, end: str | None) -> int | None:
    if start is None or end is None:
        return None
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return int(passed / _UNITS[unit])


def _concat(*texts: Any) -> str | None:
    return None if None in texts else "".join(str(text) for text in texts)
