"""Due times to come as an iCalendar feed (RFC 5545). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from application_manager.dashboard.words import schedule_words, span_words
from application_manager.domain.horizon import Planned, Window, horizon_of
from common.jobs import job_id_of
from common.schedule import InstanceSpec

MOST_EVENTS = 2_000
FEWEST_EACH = 62  # of one instance before it is told as a stretch: twice a day for a month
_FOLD_AT = 73  # octets of a line, the CRLF and the space of a continuation left out


def feed_of(specs: Sequence[InstanceSpec], window: Window, most: int = MOST_EVENTS) -> str:
    """Write one event for each due time, soonest first; one for a stretch of very many.

    At most `most` events, and due times of at most `most` instances, the first ones given.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Rota//Timeline//EN",
             "X-WR-CALNAME:Rota", "REFRESH-INTERVAL;VALUE=DURATION:PT15M"]  # fmt: skip
    most_each = max(FEWEST_EACH, most // max(1, len(specs)))
    found = [
        event for spec in specs[:most] for event in _events(spec, window, most_each)
    ]  # fmt: skip
    found.sort(key=lambda event: event[0])
    for _, event in found[:most]:
        lines += event
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def _events(
    spec: InstanceSpec, window: Window, most: int
) -> Iterator[tuple[datetime, list[str]]]:
    horizon = horizon_of(spec, window, None, most)
    for planned in horizon.planned:
        uid = job_id_of(spec.id, planned.due, 0)
        yield planned.due, _event(spec, planned, (uid, spec.id), window)
    if horizon.band is not None:
        title = f"{spec.id}: every {span_words(horizon.band.step_s)}"
        stretch = Planned(horizon.band.since, horizon.band.until)
        yield stretch.due, _event(spec, stretch, (f"{spec.id}.often", title), window)


def _event(
    spec: InstanceSpec, planned: Planned, names: tuple[str, str], window: Window
) -> list[str]:
    """Write an event; `names` are its UID, the same each time it is read, and its title."""
    uid, title = names
    words = f"{schedule_words(spec)} ({spec.timezone})"
    return [
        "BEGIN:VEVENT", f"UID:{uid}@rota", f"DTSTAMP:{_stamp(window.since)}",
        f"DTSTART:{_stamp(planned.due)}", f"DTEND:{_stamp(planned.end)}",
        f"SUMMARY:{_escaped(title)}", f"DESCRIPTION:{_escaped(words)}",
        "TRANSP:TRANSPARENT", "END:VEVENT",  # nobody is busy while a job runs
    ]  # fmt: skip


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    for character in ("\\", ";", ","):
        text = text.replace(character, f"\\{character}")
    return "\\n".join(text.splitlines())


def _folded(line: str) -> list[str]:
    """Fold a line so that none is over 75 octets; never inside a character."""
    parts, current = [], ""
    for character in line:
        if len((current + character).encode()) > _FOLD_AT:
            parts.append(current)
            current = " "
        current += character
    return [*parts, current]
