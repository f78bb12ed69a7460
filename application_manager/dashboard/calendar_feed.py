"""Due times to come as an iCalendar feed (RFC 5545). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from application_manager.dashboard.words import schedule_words, span_words
from application_manager.domain.horizon import Planned, Window, horizon_of
from common.schedule import InstanceSpec, spec_from_json

MOST_EVENTS = 2_000
_FOLD_AT = 73  # octets of a line, the CRLF and the space of a continuation left out


def feed_of(rows: Sequence[Mapping[str, Any]], window: Window) -> str:
    """Write one event for each due time; one for a stretch of very many."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Rota//Timeline//EN",
             "X-WR-CALNAME:Rota", "REFRESH-INTERVAL;VALUE=DURATION:PT15M"]  # fmt: skip
    count = 0
    for row in rows:
        spec = spec_from_json(row["spec"])
        for event in _events(spec, window):
            if count == MOST_EVENTS:
                break
            lines += event
            count += 1
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def _events(spec: InstanceSpec, window: Window) -> Iterator[list[str]]:
    horizon = horizon_of(spec, window, None)
    for planned in horizon.planned:
        yield _event(spec, planned, spec.id, window)
    if horizon.band is not None:
        title = f"{spec.id}: every {span_words(horizon.band.step_s)}"
        stretch = Planned(horizon.band.since, horizon.band.until)
        yield _event(spec, stretch, title, window)


def _event(spec: InstanceSpec, planned: Planned, title: str, window: Window) -> list[str]:
    uid = f"UID:{spec.id}-{_stamp(planned.due)}@rota"
    words = f"{schedule_words(spec)} ({spec.timezone})"
    return [
        "BEGIN:VEVENT", uid, f"DTSTAMP:{_stamp(window.since)}",
        f"DTSTART:{_stamp(planned.due)}", f"DTEND:{_stamp(planned.end)}",
        f"SUMMARY:{_escaped(title)}", f"DESCRIPTION:{_escaped(words)}", "END:VEVENT",
    ]  # fmt: skip


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    for character in ("\\", ";", ","):
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", "\\n")


def _folded(line: str) -> list[str]:
    """Fold a line so that none is over 75 octets; never inside a character."""
    parts, current = [], ""
    for character in line:
        if len((current + character).encode()) > _FOLD_AT:
            parts.append(current)
            current = " "
        current += character
    return [*parts, current]
