"""From a written local time to instants: what a clock change does to it (schedule.md, 3).

shift reads a time inside a gap with the offset before the gap (RFC 5545, 3.3.5), which is what
fold=0 means to `zoneinfo` (PEP 495). Arithmetic is done in UTC only: two aware datetimes of one
zone subtract as if their clock never changed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

NOON = time(12)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """Return an IANA zone; the name was checked when the file was read."""
    return ZoneInfo(name)


def instants_of(local: datetime, zone: ZoneInfo, gap: str, overlap: str) -> tuple[datetime, ...]:
    """Return the UTC instants a naive local time stands for: none, one, or two in order."""
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return (first,)
    if is_in_gap(local, zone):
        return () if gap == "skip" else (first,)
    match overlap:
        case "first":
            return (first,)
        case "second":
            return (second,)
        case _:
            return (first, second)


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the one instant of a bound or an end time: always shift and first."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def is_in_gap(local: datetime, zone: ZoneInfo) -> bool:
    """Tell whether no clock of the zone ever shows this local time."""
    return local_of(instant_of(local, zone), zone) != local


def local_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what the zone's clocks show at an instant, naive."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def has_day(day: date, zone: ZoneInfo) -> bool:
    """Tell whether the zone had this local day at all (Apia had no 2011-12-30)."""
    return not is_in_gap(datetime.combine(day, NOON), zone)
