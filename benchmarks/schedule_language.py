"""How many due times a second the schedule language computes.

`python -m benchmarks.schedule_language` asks each form in two ways: `sequence` asks for the due
time after the last one, as a firing scheduler does; `random` from instants all over ten years, as a
start does. Processor time of one thread is counted, the best of five rounds, so that a busy machine
tells no other figure. The last line of output is one JSON object.
"""

from __future__ import annotations

import json
import platform
import random
import sys
import time
from datetime import UTC, datetime, timedelta

from common.schedule import Calendar, compile_schedule, load

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TEN_YEARS_S = 10 * 365 * 86400
ASKED = 20_000
ROUNDS = 5
FORMS = {
    "cron every 5 min": ("America/New_York", "cron: '*/5 * * * *'", 50_000),
    "cron at night": ("Europe/Berlin", "cron: '30 2 * * *'", 50_000),
    "cron on Mondays": ("America/New_York", "cron: '0 3 * * mon'", 50_000),
    "cron on the 13th or a Friday": ("Asia/Kolkata", "cron: '0 0 13 * fri'", 50_000),
    "cron once a year": ("America/New_York", "cron: '0 0 1 1 *'", 50_000),
    "daily": ("America/New_York", "start_time: '02:30'", 50_000),
    "daily, some days": ("Europe/Berlin", "start_time: '08:00', days: [mon-fri]", 50_000),
    "window": ("America/New_York", "start_time: '22:00', end_time: '06:00', interval: 30m", 50_000),
    "every 7 min": ("America/New_York", "start: 2026-01-01T00:00, interval: 7m", 500_000),
    "every day": ("America/New_York", "start: 2026-01-01T02:30, interval: 1d", 50_000),
    "every month": ("America/New_York", "start: 2026-01-31T02:30, interval: 1mo", 50_000),
}


def calendar_of(zone: str, schedule: str) -> Calendar:
    text = f"version: 1\ntimezone: {zone}\ninstances: [{{id: a, app: x, schedule: {{{schedule}}}}}]"
    calendar = compile_schedule(load(text, "benchmark.yml").instances[0])
    if calendar is None:
        raise AssertionError
    return calendar


def rate_of(calendar: Calendar, way: str) -> tuple[float, float]:
    """Return the best rate a second of all rounds, and how far the worst lies below it."""
    rates = [_random(calendar) if way == "random" else _sequence(calendar) for _ in range(ROUNDS)]
    return max(rates), 1 - min(rates) / max(rates)


def _random(calendar: Calendar) -> float:
    source = random.Random(1)
    moments = [BEGIN + timedelta(seconds=source.randrange(TEN_YEARS_S)) for _ in range(ASKED)]
    began = time.process_time()
    for moment in moments:
        calendar.next_due(moment)
    return ASKED / (time.process_time() - began)


def _sequence(calendar: Calendar) -> float:
    due = BEGIN
    began = time.process_time()
    for _ in range(ASKED):
        due = calendar.next_due(due) or BEGIN
    return ASKED / (time.process_time() - began)


def main() -> None:
    found = {}
    for name, (zone, schedule, wanted) in FORMS.items():
        calendar = calendar_of(zone, schedule)
        for way in ("sequence", "random"):
            rate, spread = rate_of(calendar, way)
            found[f"{name}, {way}"] = round(rate)
            verdict = "ok" if rate >= wanted else f"under {wanted:,}"
            print(f"{name:30}{way:9}{rate:>11,.0f} /s  spread {spread:4.0%}  {verdict}")
    about = {"python": platform.python_version(), "machine": platform.machine()}
    print(json.dumps({"id": "schedule_language", "unit": "next_due/s", "ours": found, **about}))


if __name__ == "__main__":
    sys.exit(main())
