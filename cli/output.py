"""How rows reach a person or a program: table, wide, json, yaml or name.

Data goes to stdout, all else to stderr. Times are RFC 3339 UTC in JSON and YAML, local and relative
in tables. Nothing here is coloured without a terminal, or where NO_COLOR is set.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from common.clock import SystemClock


class Format(StrEnum):
    """What `-o` takes."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)
class Column:
    """One column of a table; `is_wide` ones are shown by `-o wide` only."""

    key: str
    title: str
    is_wide: bool = False


Row = Mapping[str, Any]


def print_rows(rows: Sequence[Row], columns: Sequence[Column], form: Format, name: str) -> None:
    """Write rows in the chosen form; `name` is the key that `-o name` prints."""
    match form:
        case Format.JSON:
            print(json.dumps([_plain(row) for row in rows], indent=2, ensure_ascii=False))
        case Format.YAML:
            _print_yaml([_plain(row) for row in rows])
        case Format.NAME:
            for row in rows:
                print(_plain(row[name]))
        case _:
            shown = [c for c in columns if form is Format.WIDE or not c.is_wide]
            _print_table(rows, shown)


def print_one(value: Mapping[str, Any], form: Format, name: str | None = None) -> None:
    """Write one object; tables show it as ``key  value`` lines, `-o name` its `name` alone."""
    if form is Format.JSON:
        print(json.dumps(_plain(value), indent=2, ensure_ascii=False))
    elif form is Format.YAML:
        _print_yaml(_plain(value))
    elif form is Format.NAME and name is not None:
        print(_plain(value[name]))
    else:
        width = max((len(key) for key in value), default=0)
        for key, item in value.items():
            print(f"{key:{width}}  {text_of(item)}")


def utc_text(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, with a fraction only where there is one."""
    shown = moment.astimezone(UTC)
    spec = "milliseconds" if shown.microsecond else "seconds"
    return shown.isoformat(timespec=spec).replace("+00:00", "Z")


def local_text(moment: datetime, now: datetime | None = None) -> str:
    """Write an instant as the person's own clock shows it, and how far it is from now."""
    now = now or SystemClock().now()
    return f"{moment.astimezone():%m-%d %H:%M:%S} ({relative_text(moment - now)})"


def relative_text(distance: timedelta) -> str:
    """Write a distance from now in its largest unit, those that are whole: `in 5 m`, `3 h ago`."""
    seconds = abs(distance.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if seconds >= size:
            amount = f"{seconds // size:.0f} {unit}"
            return f"in {amount}" if distance > timedelta(0) else f"{amount} ago"
    return "now"


def text_of(value: Any) -> str:  # noqa: PLR0911 - one line a kind
    """Write one value for a table cell; a text that is an instant is shown as one."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
        case datetime():
            return local_text(value)
        case str() if value[10:11] == "T" and value.endswith(("Z", "+00:00")):
            return local_text(datetime.fromisoformat(value))
        case Mapping():
            return ",".join(f"{key}={text_of(item)}" for key, item in value.items()) or "-"
        case list() | tuple():
            return ", ".join(text_of(item) for item in value) or "-"
        case _:
            return str(value)


def _print_table(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    if not rows:
        print("nothing to show", file=sys.stderr)
        return
    cells = [[text_of(row.get(column.key)) for column in columns] for row in rows]
    widths = [
        max(len(column.title), *(len(line[i]) for line in cells))
        for i, column in enumerate(columns)
    ]
    titles = [column.title.upper() for column in columns]
    for line in [titles, *cells]:
        padded = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def _print_yaml(value: Any) -> None:
    import yaml

    print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), end="")


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return utc_text(value)
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
