"""From a written local time to instants: what a clock change does to it (schedule.md, 3).

Everything is whole seconds: an instant counts from 1970 in UTC, a local time counts as if 1970 had
begun on the wall, a day is its ordinal (`date.toordinal`). In a gap a time is read with the offset
before it (RFC 5545, 3.3.5), which is what fold=0 means to `zoneinfo` (PEP 495).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY_S = 86400
EPOCH_DAY = EPOCH.toordinal()
NOON_S = DAY_S // 2
FIRST_S = (datetime(1, 1, 4, tzinfo=UTC) - EPOCH) // SECOND
LAST_S = (datetime(9999, 12, 28, tzinfo=UTC) - EPOCH) // SECOND
_WALL_EPOCH = EPOCH.replace(tzinfo=None)
_MIDNIGHT = time(0)
_SECOND_MIDNIGHT = time(0, fold=1)
_ZERO = timedelta(0)
_MOST_DAYS_KEPT = 4096  # 0.5 MB a zone at most; an agenda looks at days close to each other


def seconds_of(moment: datetime) -> int:
    """Return whole seconds from 1970, rounded down, kept where every zone can show them."""
    return min(max((moment - EPOCH) // SECOND, FIRST_S), LAST_S)


def moment_of(seconds: int) -> datetime:
    """Return the instant; what lies beyond the last one that can be written is that one."""
    return EPOCH + timedelta(seconds=min(max(seconds, FIRST_S), LAST_S))


def wall_of(written: datetime) -> int:
    """Return the local seconds of a naive date-time."""
    return (written - _WALL_EPOCH) // SECOND


def midnight_of(day: int) -> int:
    """Return the local seconds at which a day begins."""
    return (day - EPOCH_DAY) * DAY_S


class LocalZone:
    """One zone's clock.

    Any thread may use it: what it keeps is filled in by single dictionary writes.
    """

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)
        self._plain: dict[int, int | None] = {}
        self._midnights: dict[int, int | None] = {}

    def plain_offset(self, day: int) -> int | None:
        """Return the offset of a day whose clock never changes; None for any other.

        Two changes lie four days apart at least (Freetown, 1939): equal midnights are enough.
        """
        try:
            return self._plain[day]
        except KeyError:
            pass
        if len(self._plain) >= _MOST_DAYS_KEPT:
            self._plain.clear()
            self._midnights.clear()
        offset = self._midnight_offset(day)
        found = offset if offset == self._midnight_offset(day + 1) else None
        self._plain[day] = found
        return found

    def instants(self, wall: int, gap: str, overlap: str) -> tuple[int, ...]:
        """Return the instants a local time stands for: none, one, or two in order."""
        before, after = self._offsets(wall)
        if before == after or (before < after and gap == "shift"):
            return (wall - before,)
        if before < after:
            return ()
        match overlap:
            case "first":
                return (wall - before,)
            case "second":
                return (wall - after,)
            case _:
                return (wall - before, wall - after)

    def instant(self, wall: int) -> int:
        """Return the one instant of a bound or an end time: always shift and first."""
        return wall - self._offsets(wall)[0]

    def is_in_gap(self, wall: int) -> bool:
        """Tell whether no clock of the zone ever shows this local time."""
        before, after = self._offsets(wall)
        return before < after

    def has_day(self, day: int) -> bool:
        """Tell whether the zone had this local day at all (Apia had no 2011-12-30)."""
        return not self.is_in_gap(midnight_of(day) + NOON_S)

    def wall_at(self, seconds: int) -> int:
        """Return what the zone's clocks show at an instant."""
        offset = datetime.fromtimestamp(seconds, self._zone).utcoffset() or _ZERO
        return seconds + offset // SECOND

    def day_at(self, seconds: int) -> int:
        """Return the local day of an instant."""
        guess = EPOCH_DAY + seconds // DAY_S
        offset = self.plain_offset(guess)
        if offset is not None:
            day = EPOCH_DAY + (seconds + offset) // DAY_S
            if day == guess or self.plain_offset(day) == offset:
                return day
        return EPOCH_DAY + self.wall_at(seconds) // DAY_S

    def _midnight_offset(self, day: int) -> int | None:
        """Return the offset at a day's midnight; None where a clock change touches it."""
        try:
            return self._midnights[day]
        except KeyError:
            pass
        shown = date.fromordinal(day)
        before = datetime.combine(shown, _MIDNIGHT, self._zone).utcoffset() or _ZERO
        after = datetime.combine(shown, _SECOND_MIDNIGHT, self._zone).utcoffset() or _ZERO
        found = before // SECOND if before == after else None
        self._midnights[day] = found
        return found

    def _offsets(self, wall: int) -> tuple[int, int]:
        """Return the offsets before and after the clock change at a local time; mostly equal."""
        shown = (_WALL_EPOCH + timedelta(seconds=wall)).replace(tzinfo=self._zone)
        before = shown.utcoffset() or _ZERO
        after = shown.replace(fold=1).utcoffset() or _ZERO
        return before // SECOND, after // SECOND


@lru_cache(maxsize=1024)
def zone_of(name: str) -> LocalZone:
    """Return an IANA zone's clock; the name was checked when the file was read."""
    return LocalZone(name)
