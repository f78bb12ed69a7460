"""How instants are shown: absolute in the reader's zone, and relative to now. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from application_manager.dashboard.words import span_words

CHOICES = ("utc", "mine", "schedule")
_ZONES = available_timezones()


@dataclass(frozen=True)
class ZoneChoice:
    """Whose clock the screens show: UTC, the browser's zone, or each schedule's own."""

    choice: str = "utc"
    mine: str = "UTC"

    def zone_for(self, schedule_zone: str | None = None) -> str:
        """Return the IANA name for one instant; `schedule_zone` where it belongs to a schedule."""
        if self.choice == "mine":
            return self.mine
        if self.choice == "schedule" and schedule_zone in _ZONES:
            return str(schedule_zone)
        return "UTC"


def zone_choice(choice: str | None, mine: str | None) -> ZoneChoice:
    """Read the reader's cookies; what is not known counts as UTC."""
    return ZoneChoice(
        choice if choice in CHOICES else "utc", mine if mine in _ZONES else "UTC"
    )  # fmt: skip


def absolute(moment: datetime, zone: str, now: datetime) -> str:
    """Write date and time with the zone; the date is left out where it is today's."""
    there = moment.astimezone(ZoneInfo(zone))
    today = now.astimezone(ZoneInfo(zone)).date()
    if there.date() == today:
        return there.strftime("%H:%M:%S")
    if there.year == today.year:
        return there.strftime("%d %b %H:%M:%S")
    return there.strftime("%Y-%m-%d %H:%M")


def full(moment: datetime, zone: str) -> str:
    """Write everything, for titles and copying."""
    there = moment.astimezone(ZoneInfo(zone))
    return f"{there:%Y-%m-%d %H:%M:%S} {abbreviation(moment, zone)}"


def abbreviation(moment: datetime, zone: str) -> str:
    """Name a zone shortly: ``UTC``, ``CET``, ``+05:30``."""
    name = moment.astimezone(ZoneInfo(zone)).tzname() or zone
    return f"{name[:3]}:{name[3:] or '00'}" if name[:1] in "+-" else name


def relative(moment: datetime, now: datetime) -> str:
    """Say how far away an instant is: ``in 3 min 20 s``, ``2 h ago``."""
    seconds = (moment - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    words = span_words(float(round(abs(seconds))))
    return f"in {words}" if seconds > 0 else f"{words} ago"
