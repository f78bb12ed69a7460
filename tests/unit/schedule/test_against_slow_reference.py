"""The language against the slow reference: all zones, 1970 to 2100, mostly around clock changes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.schedule import Calendar, compile_schedule, load
from common.schedule.zones import zone_names
from tests.unit.schedule import slow_reference as slow

TICK = timedelta(microseconds=1)
ZONES = st.sampled_from(sorted(zone_names()))
DAYS = st.integers(date(1970, 1, 3).toordinal(), date(2100, 12, 25).toordinal())
POLICIES = st.fixed_dictionaries(
    {}, optional={"dst_gap": st.sampled_from(["shift", "skip"]),
                  "dst_overlap": st.sampled_from(["first", "second", "both"])}
)  # fmt: skip


def time_texts(latest: int = 1439) -> st.SearchStrategy[str]:
    """Times of day, mostly those at which clocks are changed."""
    minutes = st.integers(0, 239) | st.integers(1320, 1439) | st.integers(0, latest)
    return minutes.map(lambda m: f"{m // 60:02}:{m % 60:02}")


@st.composite
def cron_texts(draw: st.DrawFn) -> str:
    minute = draw(st.sampled_from(["0", "*/15", "30", "1-59/29", "15,45", "59"]))
    hour = draw(st.sampled_from(["*", "*/2", "0", "0-3", "1,2,3", "22-23", "0-23", "2", "23,0"]))
    day = draw(st.sampled_from(["*", "*", "*/2", "1", "28-31", "10-20/3"]))
    weekday = draw(st.sampled_from(["*", "*", "0", "7", "1-5", "*/3", "6,0", "5-7"]))
    month = draw(st.sampled_from(["*", "*", "*", "3,10", "1-12/2"]))
    return f"{minute} {hour} {day} {month} {weekday}"


def near(day: date, draw: st.DrawFn, reach: int) -> str:
    """A date-time close to a day, in a few with an offset."""
    moment = datetime.combine(day, datetime.min.time()) + timedelta(
        minutes=draw(st.integers(-reach * 1440, reach * 1440))
    )
    offset = draw(st.sampled_from(["", "", "", "Z", "+05:30", "-03:00"]))
    return f"{moment:%Y-%m-%dT%H:%M}{offset}"


@st.composite
def schedules(draw: st.DrawFn, day: date) -> dict[str, object]:
    form = draw(st.sampled_from(["once", "elapsed", "steps", "daily", "window", "cron"]))
    return {**draw(POLICIES), **draw(forms(form, day)), **draw(bounds(form, day))}


@st.composite
def forms(draw: st.DrawFn, form: str, day: date) -> dict[str, object]:
    schedule: dict[str, object] = {}
    if form == "once":
        schedule["start"] = near(day, draw, 2)
    elif form == "elapsed":
        schedule |= {"start": near(day, draw, 40), "interval": draw(st.sampled_from(
            ["7m", "1h", "24h", "50m", "9001s"]))}  # fmt: skip
    elif form == "steps":
        schedule |= {"start": near(day, draw, 70), "interval": draw(st.sampled_from(
            ["1d", "2d", "1w", "1mo", "3d"]))}  # fmt: skip
    elif form == "cron":
        schedule["cron"] = draw(cron_texts())
    else:
        schedule["start_time"] = draw(time_texts())
        if form == "window" or draw(st.booleans()):
            schedule["end_time"] = draw(time_texts() | st.just("24:00"))
        if form == "window":
            schedule["interval"] = draw(st.sampled_from(["30m", "1h", "50m", "7h", "24h"]))
        if draw(st.integers(0, 3)) == 0:
            schedule["days"] = draw(st.sampled_from([["mon-fri"], ["sun"], ["sat", "sun"]]))
    return schedule


@st.composite
def bounds(draw: st.DrawFn, form: str, day: date) -> dict[str, object]:
    schedule: dict[str, object] = {}
    if draw(st.integers(0, 3)) == 0:
        excluded = [day + timedelta(days=draw(st.integers(-2, 2))) for _ in range(2)]
        schedule["exclude"] = sorted({text.isoformat() for text in excluded})
    if draw(st.integers(0, 3)) == 0:
        schedule["duration"] = draw(st.sampled_from(["5m", "3h", "2d"]))
    if form != "once" and draw(st.integers(0, 3)) == 0:
        schedule["start"] = near(day, draw, 4)
        if draw(st.booleans()):
            schedule["max_jobs"] = draw(st.integers(1, 60))
    if draw(st.integers(0, 4)) == 0:
        schedule["end"] = near(day + timedelta(days=2), draw, 2)
    return schedule


def change_after(day: date, zone: ZoneInfo) -> date:
    """Return the day of the next clock change within a year, or the day itself."""
    moment = datetime.combine(day, datetime.min.time())
    offset = slow.shown(moment, zone) - moment
    for weeks in range(1, 53):
        later = moment + timedelta(days=7 * weeks)
        if slow.shown(later, zone) - later != offset:
            while slow.shown(later, zone) - later != offset:
                later -= timedelta(days=1)
            return later.date() + timedelta(days=1)
    return day


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, date, dict[str, object]]:
    name = draw(ZONES)
    day = date.fromordinal(draw(DAYS))
    if draw(st.integers(0, 9)):
        day = min(change_after(day, ZoneInfo(name)), date(2100, 12, 25))
    return name, day, draw(schedules(day))


def calendar_of(name: str, schedule: dict[str, object]) -> Calendar | None:
    """Return the calendar, or None of a schedule that can never be due."""
    instance = {"id": "a", "app": "x", "schedule": schedule}
    loaded = load(json.dumps({"version": 1, "timezone": name, "instances": [instance]}), "f.json")
    if loaded.problems:
        assert {p.code for p in loaded.problems} <= {"never_due", "end_before_start"}
        return None
    return compile_schedule(loaded.instances[0])


DAILY = {"start_time": "02:30", "end_time": "03:15"}


@settings(max_examples=100, deadline=None)
@given(case=cases())
@example(case=("Pacific/Apia", date(2011, 12, 30), {"start_time": "22:00", "end_time": "06:00", "interval": "50m"}))
@example(case=("Pacific/Apia", date(2011, 12, 30), {"start": "2011-12-28T12:00", "interval": "1d"}))
@example(case=("Pacific/Kwajalein", date(1993, 8, 21), {"cron": "*/15 * * * *"}))
@example(case=("America/St_Johns", date(2006, 10, 29), {"cron": "*/15 23,0 * * *", "dst_overlap": "both"}))
@example(case=("America/St_Johns", date(2006, 10, 29), {"start": "2006-10-28T12:00", "interval": "7m", "exclude": ["2006-10-28"]}))
@example(case=("America/New_York", date(2026, 3, 8), DAILY))
@example(case=("America/New_York", date(2026, 11, 1), {"start_time": "01:30", "end_time": "01:45", "dst_overlap": "both"}))
@example(case=("Africa/Cairo", date(2026, 4, 24), {"start_time": "00:00", "end_time": "24:00", "interval": "1h"}))
@example(case=("America/New_York", date(2026, 11, 1), {"start": "2026-11-01T01:30-05:00", "interval": "1d"}))
@example(case=("Antarctica/Troll", date(2026, 3, 29), {"cron": "30 0-3 * * *", "dst_gap": "skip"}))
@example(case=("Africa/Monrovia", date(1972, 1, 7), {"cron": "*/15 0-3 * * *"}))
def test_due_and_stop_times_are_those_of_the_slow_reference(case) -> None:
    name, day, schedule = case
    zone = ZoneInfo(name)
    begin = datetime.combine(day, datetime.min.time()) - timedelta(days=2)
    end = begin + timedelta(days=4)
    calendar = calendar_of(name, schedule)
    expected = slow.due_times(schedule, zone, begin, end)
    if calendar is None:
        assert expected == []
        return
    first, last = begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    found = calendar.due_between(first - TICK, last - TICK, 10_000)
    assert [due.replace(tzinfo=None) for due in found] == expected
    for due in found[:3] + found[-3:]:
        stop = calendar.stop_time(due)
        naive = None if stop is None else stop.replace(tzinfo=None)
        assert naive == slow.stop_time(schedule, zone, due.replace(tzinfo=None))
    for sooner, later in pairwise(found):
        assert calendar.next_due(later - TICK) == later
        assert calendar.previous_due(later - TICK) == sooner


@settings(max_examples=40, deadline=None)
@given(case=cases(), minutes=st.integers(-4000, 4000))
def test_next_is_strictly_later_and_nothing_lies_between(case, minutes: int) -> None:
    name, day, schedule = case
    calendar = calendar_of(name, schedule)
    after = datetime.combine(day, datetime.min.time(), UTC) + timedelta(minutes=minutes)
    due = calendar.next_due(after) if calendar else None
    if due is None:
        return
    assert due > after
    assert calendar.next_due(due - TICK) == due
    assert calendar.next_due(after + (due - after) / 2) == due
    assert calendar.previous_due(due) == due
    stop = calendar.stop_time(due)
    assert stop is None or stop > due
