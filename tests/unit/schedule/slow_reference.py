"""Due and stop times once more, slowly and with nothing of the language's own code.

It knows a zone only by asking what its clocks show at instants, one after the other, and a schedule
as the mapping a file would hold. Days are walked one by one, times of day second by second where
need be. Everything is naive: a local time and an instant are both `datetime` without a zone.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
QUARTER = timedelta(minutes=15)

Schedule = dict[str, object]


def shown(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the zone's clocks show at an instant."""
    return instant.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=4096)
def clocks_around(day: date, zone: ZoneInfo) -> tuple[tuple[datetime, timedelta], ...]:
    """Every quarter of an hour around a day in UTC, and the offset then."""
    first = datetime.combine(day, datetime.min.time()) - 30 * timedelta(hours=1)
    instants = [first + i * QUARTER for i in range(4 * 84)]
    return tuple((instant, shown(instant, zone) - instant) for instant in instants)


@lru_cache(maxsize=65536)
def instants_showing(local: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    offsets = {offset for _, offset in clocks_around(local.date(), zone)}
    return tuple(sorted(local - o for o in offsets if shown(local - o, zone) == local))


def before_the_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """Read a local time that never was with the offset before it was jumped over."""
    last = None
    for instant, offset in clocks_around(local.date(), zone):
        if instant + offset > local:
            break
        last = offset
    assert last is not None
    return local - last


def resolve(local: datetime, zone: ZoneInfo, gap: str, overlap: str) -> list[datetime]:
    found = list(instants_showing(local, zone))
    if not found:
        return [] if gap == "skip" else [before_the_gap(local, zone)]
    return {"first": found[:1], "second": found[-1:], "both": found}[overlap]


def bound(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return moment.astimezone(UTC).replace(tzinfo=None)
    return resolve(moment, zone, "shift", "first")[0]


@lru_cache(maxsize=4096)
def day_was(day: date, zone: ZoneInfo) -> bool:
    return any((instant + offset).date() == day for instant, offset in clocks_around(day, zone))


def time_of(text: str) -> timedelta:
    parts = [int(part) for part in text.split(":")]
    return timedelta(hours=parts[0], minutes=parts[1], seconds=sum(parts[2:]))


def chosen_days(schedule: Schedule, first: date, last: date, zone: ZoneInfo) -> Iterator[date]:
    """The days a daily, window or cron form looks at."""
    wanted: set[str] = set()
    for item in schedule.get("days", ["mon-sun"]):
        names = item.split("-")
        wanted |= set(WEEK[WEEK.index(names[0]) : WEEK.index(names[-1]) + 1])
    day = first
    while day <= last:
        is_out = day.isoformat() in schedule.get("exclude", [])
        if WEEK[day.weekday()] in wanted and not is_out and day_was(day, zone):
            yield day
        day += timedelta(days=1)


def field_takes(field: str, value: int, low: int, high: int) -> bool:
    for part in field.split(","):
        body, _, step = part.partition("/")
        if body == "*":
            first, last = low, high
        else:
            first, _, last = body.partition("-")
            first, last = int(first), int(last or first)
        if first <= value <= last and (value - first) % int(step or 1) == 0:
            return True
    return False


def cron_day(fields: list[str], day: date) -> bool:
    if not field_takes(fields[3], day.month, 1, 12):
        return False
    in_month = field_takes(fields[2], day.day, 1, 31)
    sunday = day.isoweekday() == 7
    in_week = field_takes(fields[4], day.isoweekday() % 7, 0, 6)
    in_week = in_week or (sunday and fields[4][0] != "*" and field_takes(fields[4], 7, 0, 7))
    if fields[2].startswith("*") or fields[4].startswith("*"):
        return in_month and in_week
    return in_month or in_week


def cron_times(fields: list[str]) -> list[timedelta]:
    return [
        timedelta(hours=hour, minutes=minute)
        for hour in range(24)
        for minute in range(60)
        if field_takes(fields[1], hour, 0, 23) and field_takes(fields[0], minute, 0, 59)
    ]


def window_end(schedule: Schedule, day: date) -> datetime:
    start, end = time_of(schedule["start_time"]), time_of(schedule["end_time"])
    midnight = datetime.combine(day, datetime.min.time())
    return midnight + (end if end > start else end + DAY)


def unbounded(schedule: Schedule, zone: ZoneInfo, begin: datetime, end: datetime) -> set[datetime]:
    """The due times in [begin, end) but for `start`, `end` and `max_jobs`."""
    gap = schedule.get("dst_gap", "shift")
    overlap = schedule.get("dst_overlap", "first")
    if "cron" not in schedule and "start_time" not in schedule:
        return {t for t in anchored(schedule, zone, begin, end) if begin <= t < end}
    found: set[datetime] = set()
    for day in chosen_days(schedule, begin.date() - 3 * DAY, end.date() + 3 * DAY, zone):
        midnight = datetime.combine(day, datetime.min.time())
        if "cron" in schedule:
            fields = schedule["cron"].split()
            every_hour = all(field_takes(fields[1], hour, 0, 23) for hour in range(24))
            if cron_day(fields, day):
                for time in cron_times(fields):
                    found |= set(resolve(midnight + time, zone, gap,
                                         "both" if every_hour else overlap))  # fmt: skip
            continue
        openings = resolve(midnight + time_of(schedule["start_time"]), zone, gap, overlap)
        if "interval" not in schedule:
            found |= set(openings)
            continue
        closing = resolve(window_end(schedule, day), zone, "shift", "first")[0]
        due = openings[0] if openings else closing
        while due < closing:
            found.add(due)
            due += timedelta(seconds=seconds_of(schedule["interval"]))
    return {t for t in found if begin <= t < end}


def seconds_of(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def anchored(
    schedule: Schedule, zone: ZoneInfo, begin: datetime, end: datetime
) -> Iterator[datetime]:
    gap = schedule.get("dst_gap", "shift")
    overlap = schedule.get("dst_overlap", "first")
    start, excluded = bound(schedule["start"], zone), schedule.get("exclude", [])
    written = datetime.fromisoformat(schedule["start"])
    has_offset = written.tzinfo is not None
    anchor = shown(start, zone) if has_offset else written
    number, unit = re.fullmatch(r"(\d+)(\w+)", schedule.get("interval", "1once")).groups()
    if unit in {"s", "m", "h"}:
        step = timedelta(seconds=int(number) * UNITS[unit])
        due = start + max(0, (begin - start) // step) * step
        while due < end:
            if shown(due, zone).date().isoformat() not in excluded:
                yield due
            due += step
        return
    for count in range(1 if unit == "once" else 100_000):
        local = stepped(anchor, count * int(number), unit)
        if local > end + 3 * DAY:
            return
        if local.date().isoformat() in excluded or not day_was(local.date(), zone):
            continue
        if count == 0 and has_offset:
            yield start
        elif local > begin - 3 * DAY:
            yield from resolve(local, zone, gap, overlap)


def stepped(anchor: datetime, count: int, unit: str) -> datetime:
    if unit != "mo":
        return anchor + count * DAY * (7 if unit == "w" else 1)
    months = anchor.year * 12 + anchor.month - 1 + count
    year, month = divmod(months, 12)
    return anchor.replace(
        year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1])
    )


def due_times(schedule: Schedule, zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    """All due times t with begin <= t < end."""
    first, last = begin, end
    if "start" in schedule:
        first = max(begin, bound(schedule["start"], zone))
    if "end" in schedule:
        last = min(end, bound(schedule["end"], zone))
    found = sorted(unbounded(schedule, zone, first, last)) if first < last else []
    if "max_jobs" in schedule:
        start = bound(schedule["start"], zone)
        counted = sorted(unbounded(schedule, zone, start, last)) if start < last else []
        found = [due for due in counted[: schedule["max_jobs"]] if due >= begin]
    return found


def stop_time(schedule: Schedule, zone: ZoneInfo, due: datetime) -> datetime | None:
    stops = []
    if "duration" in schedule:
        stops.append(due + timedelta(seconds=seconds_of(schedule["duration"])))
    if "end" in schedule:
        stops.append(bound(schedule["end"], zone))
    if "end_time" in schedule:
        stops.append(end_after(schedule, zone, due))
    return min(stops, default=None)


def end_after(schedule: Schedule, zone: ZoneInfo, due: datetime) -> datetime:
    """The first end of a day after a due time, or the one that a gap moved with its start."""
    midnights = [
        datetime.combine(shown(due, zone).date() + back * DAY, datetime.min.time())
        for back in range(-2, 4)
    ]
    opens = time_of(schedule["start_time"])
    for midnight in midnights[:3]:
        if instants_showing(midnight + opens, zone) or not day_was(midnight.date(), zone):
            continue
        closing = resolve(window_end(schedule, midnight.date()), zone, "shift", "first")[0]
        if due == before_the_gap(midnight + opens, zone) and closing <= due:
            return due + (window_end(schedule, midnight.date()) - midnight - opens)
    ends = [resolve(window_end(schedule, m.date()), zone, "shift", "first")[0] for m in midnights]
    return min(end for end in ends if end > due)
