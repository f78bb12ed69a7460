"""Due and stop times: the vectors of the specification, and properties over zones and years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.schedule import Calendar, compile_schedule, load

NEW_YORK = "America/New_York"


def calendar_of(zone: str, schedule: str) -> Calendar:
    text = f"version: 1\ntimezone: {zone}\ninstances: [{{id: a, app: x, schedule: {schedule}}}]\n"
    loaded = load(text, "test.yml")
    assert loaded.problems == ()
    calendar = compile_schedule(loaded.instances[0])
    assert calendar is not None
    return calendar


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def dues(zone: str, schedule: str, begin: str, end: str) -> list[str]:
    """Return the due times t with begin <= t < end, as UTC texts."""
    calendar = calendar_of(zone, schedule)
    first, last = instant(begin), instant(end)
    tick = timedelta(microseconds=1)
    found = calendar.due_between(first - tick, last - tick, 10_000)
    return [f"{due:%m-%dT%H:%MZ}" for due in found]


def local_day(zone: str, schedule: str, day: str) -> list[str]:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone))
    return dues(zone, schedule, start.isoformat(), end.isoformat())


VECTORS = [
    (NEW_YORK, '{start_time: "02:30"}', "2026-03-08", ["03-08T07:30Z"]),
    (NEW_YORK, '{start_time: "02:30", dst_gap: skip}', "2026-03-08", []),
    (NEW_YORK, '{cron: "30 2,3 * * *"}', "2026-03-08", ["03-08T07:30Z"]),
    (NEW_YORK, '{start_time: "01:30"}', "2026-11-01", ["11-01T05:30Z"]),
    (NEW_YORK, '{start_time: "01:30", dst_overlap: second}', "2026-11-01", ["11-01T06:30Z"]),
    (NEW_YORK, '{start_time: "01:30", dst_overlap: both}', "2026-11-01",
     ["11-01T05:30Z", "11-01T06:30Z"]),
    ("Africa/Cairo", '{start_time: "00:00"}', "2026-04-24", ["04-23T22:00Z"]),
    ("Europe/Berlin", '{start: "2026-03-28T09:00", interval: 1d}', "2026-03-29", ["03-29T07:00Z"]),
    ("Europe/Berlin", '{start: "2026-03-28T09:00", interval: 24h}', "2026-03-29", ["03-29T08:00Z"]),
    ("Pacific/Apia", '{start_time: "12:00", start: "2011-12-29T00:00"}', "2011-12-30", []),
    ("UTC", '{start_time: "08:00", end_time: "10:00", interval: 30m}', "2026-03-02",
     ["03-02T08:00Z", "03-02T08:30Z", "03-02T09:00Z", "03-02T09:30Z"]),
    ("UTC", '{start_time: "08:00", days: [tue-thu]}', "2026-03-02", []),
    ("UTC", '{start_time: "08:00", exclude: ["2026-03-02"]}', "2026-03-02", []),
    ("UTC", '{start: "2026-03-02T05:00"}', "2026-03-02", ["03-02T05:00Z"]),
    ("UTC", '{start: "2026-03-01T23:00", interval: 9h, end: "2026-03-02T17:00"}', "2026-03-02",
     ["03-02T08:00Z"]),
    ("Asia/Kolkata", '{cron: "@daily"}', "2026-03-02", ["03-01T18:30Z"]),
    ("UTC", '{cron: "0 12 13 * fri"}', "2026-03-06", ["03-06T12:00Z"]),
    ("UTC", '{cron: "0 12 */2 * fri"}', "2026-03-06", []),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "schedule", "day", "expected"), VECTORS)
def test_a_local_day_has_these_due_times(
    zone: str, schedule: str, day: str, expected: list[str]
) -> None:
    assert local_day(zone, schedule, day) == expected


@pytest.mark.parametrize(
    ("schedule", "day", "count"),
    [
        ("0 * * * *", "2026-03-08", 23), ("0 * * * *", "2026-11-01", 25),
        ("0 */2 * * *", "2026-03-08", 12), ("0 */2 * * *", "2026-11-01", 12),
    ],
)  # fmt: skip
def test_cron_over_a_clock_change(schedule: str, day: str, count: int) -> None:
    assert len(local_day(NEW_YORK, f'{{cron: "{schedule}"}}', day)) == count


def test_a_half_hour_change_moves_one_of_24() -> None:
    found = local_day("Australia/Lord_Howe", '{cron: "15 * * * *"}', "2026-10-04")
    assert len(found) == 24
    assert "10-03T15:45Z" in found


@pytest.mark.parametrize(("after", "hours"), [("2026-03-07T12:00Z", 7), ("2026-10-31T12:00Z", 9)])
def test_an_overnight_window_is_shorter_or_longer_at_a_clock_change(
    after: str, hours: int
) -> None:
    calendar = calendar_of(NEW_YORK, '{start_time: "22:00", end_time: "06:00"}')
    due = calendar.next_due(instant(after))
    assert due is not None
    assert calendar.stop_time(due) == due + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("schedule", "stop"),
    [
        ('{start_time: "08:00", end_time: "18:00", duration: 5m}', "2026-03-02T08:05Z"),
        ('{start_time: "08:00", end_time: "18:00"}', "2026-03-02T18:00Z"),
        ('{start_time: "08:00", end_time: "24:00"}', "2026-03-03T00:00Z"),
        ('{start_time: "08:00", duration: 2d, start: "2026-01-01T00:00", end: "2026-03-02T09:00"}',
         "2026-03-02T09:00Z"),
    ],
)  # fmt: skip
def test_the_stop_time_is_the_earliest_that_exists(schedule: str, stop: str) -> None:
    assert calendar_of("UTC", schedule).stop_time(instant("2026-03-02T08:00Z")) == instant(stop)


def test_no_stop_time_exists_without_an_end() -> None:
    assert calendar_of("UTC", '{cron: "0 8 * * *"}').stop_time(instant("2026-03-02T08:00Z")) is None


def test_months_clamp_from_the_anchor() -> None:
    found = dues("UTC", '{start: "2026-01-31T09:00", interval: 1mo}', "2026-01-01T00:00Z",
                 "2026-05-01T00:00Z")  # fmt: skip
    assert found == ["01-31T09:00Z", "02-28T09:00Z", "03-31T09:00Z", "04-30T09:00Z"]


def test_max_jobs_counts_due_times_from_start_after_exclude() -> None:
    schedule = '{start: "2026-01-01T00:00", interval: 1d, max_jobs: 2, exclude: "2026-01-02"}'
    found = dues("UTC", schedule, "2025-01-01T00:00Z", "2027-01-01T00:00Z")
    assert found == ["01-01T00:00Z", "01-03T00:00Z"]


def test_the_previous_due_time_is_the_last_at_or_before() -> None:
    calendar = calendar_of("UTC", '{cron: "0 8 * * mon"}')
    monday = instant("2026-03-02T08:00Z")
    assert calendar.previous_due(monday) == monday
    assert calendar.previous_due(monday - timedelta(seconds=1)) == monday - timedelta(days=7)


ZONES = st.sampled_from(
    [NEW_YORK, "Europe/Berlin", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kolkata", "UTC",
     "Pacific/Apia", "America/Sao_Paulo", "Asia/Tehran", "Africa/Casablanca"]
)  # fmt: skip
SCHEDULES = st.sampled_from(
    ['{start_time: "02:30"}', '{start_time: "00:00", dst_overlap: both}',
     '{cron: "*/20 0-3 * * *"}', '{cron: "0 * * * *"}', '{cron: "15 2 * * sun"}',
     '{start_time: "22:00", end_time: "06:00", interval: 50m}',
     '{start: "1999-10-31T02:30", interval: 1d}', '{start: "1999-10-31T02:30", interval: 7h}']
)  # fmt: skip
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


@settings(max_examples=150, deadline=None)
@given(zone=ZONES, schedule=SCHEDULES, after=INSTANTS)
def test_next_is_strictly_later_and_nothing_lies_between(
    zone: str, schedule: str, after: datetime
) -> None:
    calendar = calendar_of(zone, schedule)
    due = calendar.next_due(after)
    assert due is not None
    assert due > after
    assert calendar.next_due(due - timedelta(microseconds=1)) == due
    middle = after + (due - after) / 2
    assert calendar.next_due(middle) == due
    assert calendar.previous_due(due) == due


@settings(max_examples=60, deadline=None)
@given(zone=ZONES, after=INSTANTS, hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_daily_agrees_with_a_minute_by_minute_search(
    zone: str, after: datetime, hour: int, minute: int
) -> None:
    """Where no clock change moves it, a daily time is the next minute that shows it."""
    due = calendar_of(zone, f'{{start_time: "{hour:02}:{minute:02}"}}').next_due(after)
    probe = after.replace(second=0, microsecond=0)
    for _ in range(60 * 24 * 3):
        probe += timedelta(minutes=1)
        shown = probe.astimezone(ZoneInfo(zone))
        if (shown.hour, shown.minute) == (hour, minute):
            break
    assert due is not None
    is_moved = due.astimezone(ZoneInfo(zone)).hour != hour
    assert due == probe or is_moved or due < after + timedelta(days=2)
    if not is_moved and due.astimezone(ZoneInfo(zone)).date() == probe.astimezone(
        ZoneInfo(zone)
    ).date():
        assert due == probe
