"""Whatever the input: no exception, a bounded list of problems, and each problem of the fixed form."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from common.schedule import compile_schedule, load, spec_from_json, spec_to_json
from common.schedule.model import InstanceKeys, ScheduleKeys, keys_of
from tests.unit.schedule.test_load import FULL

NOW = datetime(2026, 3, 8, tzinfo=UTC)
SCRAPS = st.sampled_from(
    ["{", "}", "[", "]", ":", "- ", "&a ", "*a", "!!str ", "<<: ", "\n", "\t", '"', "'", "|\n", "---\n",
     "null", "~", "\0", "\x85", "\u2028", "\ud800", "%", "#", "?", ",", "0", "1e9", "24:00", "🙂", "\r"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["08:00", "24:00", "25:00", "2026-01-31T09:00", "2026-02-30", "0001-01-01T00:00", "9999-12-31T23:59",
     "9999-12-31T23:59-14:00", "0001-01-01T00:00+14:00", "1s", "30m", "1mo", "99999999999d", "0m", "mon-fri",
     "fri-mon", "* * * * *", "0 0 31 2 *", "*/0 * * * *", "@daily", "@reboot", "Europe/Berlin", "PST", "first",
     "skip", "both", "a", "", "success", "https://x.example", "128MiB", "0.5", "on"]
)  # fmt: skip
SCALARS = WORDS | st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["instance", "on", "labels", "url", "cpus", "memory", "A"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
SCHEDULES = st.dictionaries(st.sampled_from(keys_of(ScheduleKeys)), WORDS | VALUES, max_size=6)
MOMENTS = st.sampled_from(
    ["2026-03-08T02:30", "2026-03-07T23:59:59", "0001-01-01T00:00", "9999-12-31T23:59", "9999-12-31T23:59-14:00",
     "0001-01-01T00:00+14:00", "1969-12-31T23:59Z", "2027-01-31T00:00", "2026-03-09T00:00+05:30"]
)  # fmt: skip
TIMES = st.sampled_from(["00:00", "02:30", "23:59:59", "08:00"])
FORMS = st.one_of(
    st.fixed_dictionaries({"start": MOMENTS}),
    st.fixed_dictionaries({"start": MOMENTS, "interval": st.sampled_from(["1s", "7h", "1d", "36600d", "1mo", "1200mo"])}),
    st.fixed_dictionaries({"start_time": TIMES}, optional={"end_time": TIMES | st.just("24:00"), "days": st.just("mon-fri")}),
    st.fixed_dictionaries({"start_time": TIMES, "end_time": TIMES, "interval": st.sampled_from(["1s", "36600d", "1h"])}),
    st.fixed_dictionaries({"cron": st.sampled_from(["* * * * *", "0 0 29 2 */7", "30 2 31 * mon", "@yearly"])}),
)
BOUNDS = st.fixed_dictionaries(
    {}, optional={"end": MOMENTS, "duration": st.sampled_from(["1s", "36600d"]), "max_jobs": st.integers(1, 9),
                  "exclude": st.sampled_from(["2026-03-08", "0001-01-01", "9999-12-31"]),
                  "dst_gap": st.just("skip"), "dst_overlap": st.sampled_from(["second", "both"])}
)  # fmt: skip
LIKELY = st.builds(lambda form, bounds: form | bounds, FORMS, BOUNDS)
INSTANCES = st.builds(
    lambda fields, schedule: {"id": "a", "app": "x", "schedule": schedule, **fields},
    st.dictionaries(st.sampled_from(keys_of(InstanceKeys)), VALUES, max_size=5),
    SCHEDULES,
)


def check(payload: bytes | str, file: str) -> None:
    loaded = load(payload, file, now=NOW)
    assert bool(loaded.problems) != bool(loaded.instances)
    assert len(loaded.problems) <= 201
    for problem in loaded.problems:
        json.dumps(problem.as_dict()).encode()
        assert problem.message
        assert (problem.line is None) == (problem.column is None)
        assert problem.line is None or min(problem.line, problem.column) >= 1
        assert "Traceback" not in problem.message
    for spec in loaded.instances:
        assert spec_from_json(spec_to_json(spec)) == spec
        calendar = compile_schedule(spec)
        if calendar is not None:
            for due in calendar.due_between(NOW, datetime.max.replace(tzinfo=UTC), 3):
                stop = calendar.stop_time(due)
                assert stop is None or stop > due


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200), st.sampled_from(["f.yml", "f.json", "-"]))
def test_any_bytes_are_read_or_refused(payload: bytes | str, file: str) -> None:
    check(payload, file)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(FULL)), st.integers(0, 12), SCRAPS), max_size=4))
def test_a_good_file_with_scraps_in_it_is_read_or_refused(cuts) -> None:
    text = FULL
    for at, length, scrap in cuts:
        text = text[:at] + scrap + text[at + length :]
    check(text, "f.yml")


@settings(max_examples=40, deadline=None)
@given(LIKELY, st.sampled_from(["UTC", "America/New_York", "Pacific/Apia", "Pacific/Kiritimati"]))
def test_likely_schedules_at_the_ends_of_everything_are_read_or_refused(schedule, zone) -> None:
    instance = {"id": "a", "app": "x", "schedule": schedule}
    check(json.dumps({"version": 1, "timezone": zone, "instances": [instance]}), "f.json")


@settings(max_examples=40, deadline=None)
@given(st.lists(INSTANCES, min_size=1, max_size=2), st.dictionaries(
    st.sampled_from(["timezone", "defaults", "version"]), VALUES, max_size=1))  # fmt: skip
def test_wild_values_are_read_or_refused(instances, others) -> None:
    check(json.dumps({"version": 1, "instances": instances, **others}), "f.json")
