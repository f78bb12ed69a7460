"""Due and stop times: the vectors of the specification, and properties over zones and years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

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
    found = local_day(NEW_YORK, f'{{cron: "{schedule}"}}', day)
    assert len(found) == count
    if schedule.startswith("0 * "):
        hours = [datetime.fromisoformat(f"2026-{one}") for one in found]
        assert {later - one for one, later in pairwise(hours)} == {timedelta(hours=1)}


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


# Every line of the specification that is not a vector: local times of the zone in and out.
LINES = [
    # daily and window: end, days and exclude look at the day they begin
    ("UTC", '{start_time: "22:00", end_time: "06:00", interval: 4h, days: [mon]}', "2026-03-03", ["03-03T02:00Z"]),
    ("UTC", '{start_time: "22:00", end_time: "06:00", interval: 4h, exclude: "2026-03-02"}', "2026-03-03",
     ["03-03T22:00Z"]),
    ("UTC", '{start_time: "08:00", end_time: "08:00", interval: 12h}', "2026-03-02", ["03-02T08:00Z", "03-02T20:00Z"]),
    ("UTC", '{start_time: "22:00", end_time: "24:00", interval: 1h}', "2026-03-02", ["03-02T22:00Z", "03-02T23:00Z"]),
    ("UTC", '{start_time: "08:00", end_time: "09:00", interval: 25m}', "2026-03-02",
     ["03-02T08:00Z", "03-02T08:25Z", "03-02T08:50Z"]),
    # bounds are half-open, for every form
    ("UTC", '{start_time: "08:00", start: "2026-03-02T08:00", end: "2026-03-02T08:01"}', "2026-03-02", ["03-02T08:00Z"]),
    ("UTC", '{cron: "0 8,9 * * *", start: "2026-03-02T08:01", end: "2026-03-03T00:00"}', "2026-03-02", ["03-02T09:00Z"]),
    ("UTC", '{cron: "0 8,9 * * *", end: "2026-03-02T09:00"}', "2026-03-02", ["03-02T08:00Z"]),
    ("UTC", '{start: "2026-03-02T08:00", end: "2026-03-02T08:00:01"}', "2026-03-02", ["03-02T08:00Z"]),
    ("Asia/Kolkata", '{cron: "0 8,9 * * *", start: "2026-03-02T03:00Z"}', "2026-03-02", ["03-02T03:30Z"]),
    ("Asia/Kolkata", '{start: "2026-03-02T08:00+00:00"}', "2026-03-02", ["03-02T08:00Z"]),
    # interval: elapsed, or steps of the calendar
    ("UTC", '{start: "2026-02-28T20:00", interval: 10h}', "2026-03-02", ["03-02T02:00Z", "03-02T12:00Z", "03-02T22:00Z"]),
    ("UTC", '{start: "2026-02-16T05:00", interval: 1w}', "2026-03-02", ["03-02T05:00Z"]),
    ("UTC", '{start: "2026-02-16T05:00", interval: 2w}', "2026-03-09", []),
    ("UTC", '{start: "2024-02-29T05:00", interval: 12mo}', "2026-02-28", ["02-28T05:00Z"]),
    ("America/New_York", '{start: "2026-03-07T02:30", interval: 1d}', "2026-03-08", ["03-08T07:30Z"]),
    ("America/New_York", '{start: "2026-03-07T02:30", interval: 1d, dst_gap: skip}', "2026-03-08", []),
    ("America/New_York", '{start: "2026-03-08T02:30", interval: 1d}', "2026-03-09", ["03-09T06:30Z"]),
    ("America/New_York", '{start: "2026-10-31T01:30", interval: 1d, dst_overlap: both}', "2026-11-01",
     ["11-01T05:30Z", "11-01T06:30Z"]),
    ("Pacific/Apia", '{start: "2011-12-29T12:00", interval: 1d}', "2011-12-31", ["12-30T22:00Z"]),
    ("UTC", '{start: "2026-03-01T05:00", interval: 1d, exclude: ["2026-03-02"]}', "2026-03-02", []),
    # every in s m h: exclude looks at the local date of the instant
    ("Asia/Kolkata", '{start: "2026-03-01T00:00", interval: 12h, exclude: ["2026-03-02"]}', "2026-03-02", []),
    ("Asia/Kolkata", '{start: "2026-03-01T00:00Z", interval: 12h, exclude: ["2026-03-02"]}', "2026-03-03",
     ["03-03T00:00Z", "03-03T12:00Z"]),
    # a written day decides also where a clock change moves its time over midnight
    ("Africa/Cairo", '{start_time: "00:30", days: [fri]}', "2026-04-24", ["04-23T22:30Z"]),
    ("Africa/Cairo", '{start_time: "00:30", exclude: "2026-04-24"}', "2026-04-24", []),
    # a day that never was has no due time, not even one moved to the day after
    ("Pacific/Apia", '{start_time: "12:00", days: [fri], end: "2012-02-01T00:00"}', "2011-12-31", []),
    ("Pacific/Apia", '{cron: "0 12 30 * *"}', "2011-12-31", []),
    ("Pacific/Apia", '{start_time: "12:00", end_time: "18:00", interval: 1h, days: [fri]}', "2011-12-31", []),
    ("Pacific/Apia", '{start: "2011-12-26T12:00", interval: 2d}', "2011-12-31", []),
    ("Pacific/Apia", '{start: "2011-11-30T12:00", interval: 1mo}', "2011-12-31", []),
    # once
    ("America/New_York", '{start: "2026-03-08T02:30"}', "2026-03-08", ["03-08T07:30Z"]),
    ("America/New_York", '{start: "2026-11-01T01:30", dst_overlap: second}', "2026-11-01", ["11-01T06:30Z"]),
    ("America/New_York", '{start: "2026-11-01T01:30", dst_overlap: both}', "2026-11-01", ["11-01T05:30Z", "11-01T06:30Z"]),
    # windows over clock changes: opened once, at the first; elapsed steps; closed by the wall
    ("America/New_York", '{start_time: "01:30", end_time: "03:00", interval: 1h, dst_overlap: both}', "2026-11-01",
     ["11-01T05:30Z", "11-01T06:30Z", "11-01T07:30Z"]),
    ("America/New_York", '{start_time: "02:30", end_time: "05:00", interval: 1h}', "2026-03-08",
     ["03-08T07:30Z", "03-08T08:30Z"]),
    ("America/New_York", '{start_time: "02:30", end_time: "05:00", interval: 1h, dst_gap: skip}', "2026-03-08", []),
    ("America/New_York", '{start_time: "02:00", end_time: "03:00", interval: 10m}', "2026-03-08", []),
    ("America/New_York", '{start_time: "01:00", end_time: "02:30", interval: 30m}', "2026-03-08",
     ["03-08T06:00Z", "03-08T06:30Z", "03-08T07:00Z"]),
    # a set: two local times on one instant are one job
    ("America/New_York", '{cron: "0,30 2-3 * * *"}', "2026-03-08", ["03-08T07:00Z", "03-08T07:30Z"]),
    ("America/New_York", '{cron: "30 2,3 * * *", dst_gap: skip}', "2026-03-08", ["03-08T07:30Z"]),
    ("America/New_York", '{cron: "30 1 * * *"}', "2026-11-01", ["11-01T05:30Z"]),
    ("America/New_York", '{cron: "30 1 * * *", dst_overlap: both}', "2026-11-01", ["11-01T05:30Z", "11-01T06:30Z"]),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "schedule", "day", "expected"), LINES)
def test_a_line_of_the_language_means(
    zone: str, schedule: str, day: str, expected: list[str]
) -> None:
    assert local_day(zone, schedule, day) == expected


@pytest.mark.parametrize("overlap", ["first", "second", "both"])
def test_a_cron_of_all_24_hours_runs_in_both_passes_whatever_is_said(overlap: str) -> None:
    for hours in ("*", "0-23", "*/1", ",".join(str(hour) for hour in range(24))):
        schedule = f'{{cron: "0 {hours} * * *", dst_overlap: {overlap}}}'
        assert len(local_day(NEW_YORK, schedule, "2026-11-01")) == 25
    almost = f'{{cron: "0 0-22 * * *", dst_overlap: {overlap}}}'
    assert len(local_day(NEW_YORK, almost, "2026-11-01")) == (24 if overlap == "both" else 23)


def test_a_cron_of_all_24_hours_without_shift_has_only_times_that_exist() -> None:
    found = local_day("Australia/Lord_Howe", '{cron: "15 * * * *", dst_gap: skip}', "2026-10-04")
    assert len(found) == 23


STOPS = [
    # the first end_time after the nominal start; at or before start_time it is the next day's
    ("UTC", '{start_time: "22:00", end_time: "06:00"}', "2026-03-02T22:00Z", "2026-03-03T06:00Z"),
    ("UTC", '{start_time: "08:00", end_time: "08:00"}', "2026-03-02T08:00Z", "2026-03-03T08:00Z"),
    ("UTC", '{start_time: "08:00", end_time: "00:00"}', "2026-03-02T08:00Z", "2026-03-03T00:00Z"),
    ("UTC", '{start_time: "22:00", end_time: "06:00", interval: 4h}', "2026-03-03T02:00Z", "2026-03-03T06:00Z"),
    # a gap moves a start to or past its own end: the end moves with it
    (NEW_YORK, '{start_time: "02:30", end_time: "03:00"}', "2026-03-08T07:30Z", "2026-03-08T08:00Z"),
    (NEW_YORK, '{start_time: "02:30", end_time: "03:30"}', "2026-03-08T07:30Z", "2026-03-08T08:30Z"),
    (NEW_YORK, '{start_time: "02:30", end_time: "03:31"}', "2026-03-08T07:30Z", "2026-03-08T07:31Z"),
    (NEW_YORK, '{start_time: "02:30", end_time: "02:45"}', "2026-03-08T07:30Z", "2026-03-08T07:45Z"),
    (NEW_YORK, '{start_time: "01:00", end_time: "02:30"}', "2026-03-08T06:00Z", "2026-03-08T07:30Z"),
    # end_time is always the first of two
    (NEW_YORK, '{start_time: "00:30", end_time: "01:30", dst_overlap: second}', "2026-11-01T04:30Z", "2026-11-01T05:30Z"),
    (NEW_YORK, '{start_time: "01:15", end_time: "01:30", dst_overlap: second}', "2026-11-01T06:15Z", "2026-11-02T06:30Z"),
    # the earliest of end_time, end, and nominal start + duration
    ("UTC", '{cron: "0 8 * * *", duration: 1d}', "2026-03-02T08:00Z", "2026-03-03T08:00Z"),
    ("UTC", '{cron: "0 8 * * *", duration: 1d, end: "2026-03-02T20:00"}', "2026-03-02T08:00Z", "2026-03-02T20:00Z"),
    ("UTC", '{start_time: "08:00", end_time: "10:00", end: "2026-03-02T09:00"}', "2026-03-02T08:00Z", "2026-03-02T09:00Z"),
    (NEW_YORK, '{start_time: "00:00", duration: 1d}', "2026-03-08T05:00Z", "2026-03-09T05:00Z"),
    ("UTC", '{start: "2026-03-02T08:00"}', "2026-03-02T08:00Z", None),
    # a start of somebody else's making stops at the first end_time after it
    ("UTC", '{start_time: "08:00", end_time: "18:00"}', "2026-03-02T12:34Z", "2026-03-02T18:00Z"),
    ("UTC", '{start_time: "08:00", end_time: "18:00"}', "2026-03-02T18:00Z", "2026-03-03T18:00Z"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "schedule", "due", "stop"), STOPS)
def test_a_job_stops_at(zone: str, schedule: str, due: str, stop: str | None) -> None:
    found = calendar_of(zone, schedule).stop_time(instant(due))
    assert found == (None if stop is None else instant(stop))


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        ('cron: "0 8,9 * * *", start: "2026-03-02T08:30"', "2026-03-03T09:00Z"),
        ('start: "2026-03-02T08:00", interval: 1h, exclude: "2026-03-02"', "2026-03-03T02:00Z"),
        ('start: "2026-03-02T23:00", interval: 1h, exclude: "2026-03-03"', "2026-03-04T01:00Z"),
        ('start: "2026-03-02T08:00", interval: 1mo', "2026-05-02T08:00Z"),
        ('start_time: "22:00", end_time: "02:00", interval: 3h, start: "2026-03-02T00:00"', "2026-03-03T01:00Z"),
        ('start_time: "08:00", days: mon, start: "2026-03-02T00:00"', "2026-03-16T08:00Z"),
        ('start_time: "08:00", start: "2026-03-02T00:00", end: "2026-03-04T08:00"', "2026-03-03T08:00Z"),
        ('start: "2026-03-02T08:00"', "2026-03-02T08:00Z"),
    ],
)  # fmt: skip
def test_max_jobs_takes_the_first_three_from_start(schedule: str, last: str) -> None:
    calendar = calendar_of("UTC", f"{{{schedule}, max_jobs: 3}}")
    found = list(calendar.iterate(instant("2020-01-01T00:00Z")))
    assert found[-1] == instant(last)
    assert len(found) <= 3
    assert calendar.next_due(found[-1]) is None
    assert calendar.previous_due(instant("2030-01-01T00:00Z")) == found[-1]


@pytest.mark.parametrize("count", range(1, 25))
def test_max_jobs_counts_in_order_where_two_days_interleave(count: int) -> None:
    """St John's put its clocks back at 00:01 to 23:01 of the day before."""
    keys = 'cron: "*/15 23,0 * * *", start: "2006-10-28T22:00", dst_overlap: both'
    unlimited = calendar_of("America/St_Johns", f"{{{keys}}}").iterate(instant("2006-01-01T00:00Z"))
    limited = calendar_of("America/St_Johns", f"{{{keys}, max_jobs: {count}}}")
    assert list(limited.iterate(instant("2006-01-01T00:00Z"))) == list(islice(unlimited, count))


def test_a_due_time_counts_once_for_max_jobs_whatever_instances() -> None:
    text = (
        "version: 1\ninstances: [{id: a, app: x, instances: 5, "
        "schedule: {start: 2026-01-01T00:00Z, interval: 1h, max_jobs: 2}}]"
    )
    calendar = compile_schedule(load(text, "f.yml").instances[0])
    assert calendar is not None
    assert len(list(calendar.iterate(instant("2020-01-01T00:00Z")))) == 2


def test_a_million_jobs_are_counted_soon() -> None:
    for schedule in ('cron: "* * * * *"', "interval: 1s, exclude: [2026-03-02]"):
        calendar = calendar_of("UTC", f'{{{schedule}, start: "2026-01-01T00:00", max_jobs: 1000000}}')
        assert calendar.next_due(instant("2060-01-01T00:00Z")) is None


@pytest.mark.parametrize(
    "schedule",
    ['{cron: "* * * * *"}', '{start_time: "08:00", end_time: "18:00", interval: 1h}',
     '{start: "2026-01-01T00:00", interval: 1h}', '{start: "2026-01-01T00:00", interval: 1mo}',
     '{start: "0001-01-01T00:00", interval: 1d}', '{start: "9999-12-01T23:59"}', '{cron: "@daily", end: "9999-12-31T23:59"}'],
)  # fmt: skip
def test_the_ends_of_time_are_no_mistake(schedule: str) -> None:
    for zone in ("UTC", "Pacific/Kiritimati", "America/New_York"):
        calendar = calendar_of(zone, schedule)
        for after in (datetime.min, datetime.max):  # noqa: DTZ901
            moment = after.replace(tzinfo=UTC)
            due = calendar.next_due(moment)
            assert due is None or due > moment
            calendar.previous_due(moment)


def test_fractions_of_a_second_are_after_the_second_they_follow() -> None:
    calendar = calendar_of("UTC", '{cron: "0 8 * * *"}')
    due, tick = instant("2026-03-02T08:00Z"), timedelta(microseconds=1)
    assert calendar.next_due(due - tick) == due
    assert calendar.next_due(due) == due + timedelta(days=1)
    assert calendar.next_due(due + tick) == due + timedelta(days=1)
    assert calendar.previous_due(due - tick) == due - timedelta(days=1)
