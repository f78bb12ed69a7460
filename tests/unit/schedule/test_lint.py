"""Warnings: what a good file hardly wants, at its schedule's mapping; they forbid nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from common.schedule import load

NOW = datetime(2026, 3, 8, tzinfo=UTC)


def warned(schedule: str, more: str = "") -> list[str]:
    text = f"version: 1\ninstances:\n  - {{id: a, app: x, schedule: {{{schedule}}}{more}}}\n"
    loaded = load(text, "f.yml", now=NOW)
    assert loaded.problems == ()
    assert len(loaded.instances) == 1
    for warning in loaded.warnings:
        assert (warning.line, warning.column, warning.path) == (3, 31, "instances[0].schedule")
        assert warning.hint
    return [warning.code for warning in loaded.warnings]


@pytest.mark.parametrize(
    ("schedule", "more", "expected"),
    [
        ("cron: '@daily'", "", []),
        ("cron: '* * * * *'", "", []),
        ("start: 2026-03-08T00:00, interval: 60s", "", []),
        ("start: 2026-03-08T00:00, interval: 59s", "", ["fires_often"]),
        ("start_time: '08:00', end_time: '09:00', interval: 30s", "", ["fires_often"]),
        ("start: 2026-01-01T00:00, interval: 1h, end: 2026-03-07T00:00", "", ["end_in_the_past"]),
        ("start: 2026-03-07T23:59", "", ["never_fires"]),
        ("start: 2026-03-08T00:01", "", []),
        ("start_time: '08:00', days: sun, end: 2026-03-08T07:00", "", ["never_fires"]),
        ("start: 2026-03-08T00:00, interval: 5m, duration: 6m", "", ["skips_itself"]),
        ("start: 2026-03-08T00:00, interval: 5m, duration: 5m", "", []),
        ("start: 2026-03-08T00:00, interval: 5m, duration: 6m", ", overlap: queue_one", []),
        ("cron: '0,10 * * * *', duration: 11m", "", ["skips_itself"]),
        ("start_time: '08:00', duration: 25h", "", ["skips_itself"]),
        ("start_time: '08:00', duration: 5m", ", timeout: 5m", ["timeout_unused"]),
        ("start_time: '08:00', duration: 5m", ", timeout: 4m", []),
        ("cron: '0 0 1 * mon'", "", ["cron_either_day"]),
        ("cron: '0 0 31 * *'", "", ["cron_short_months"]),
        ("cron: '0 0 28 * *'", "", []),
        ("cron: '* * * * *', start: 2026-01-01T00:00, max_jobs: 1000000", "", []),
    ],
)  # fmt: skip
def test_what_a_good_file_hardly_wants(schedule: str, more: str, expected: list[str]) -> None:
    assert warned(schedule, more) == expected


def test_an_instance_without_a_schedule_has_no_warning() -> None:
    text = "version: 1\ninstances: [{id: a, app: x, depends_on: b}, {id: b, app: x, schedule: {cron: '@daily'}}]"
    assert load(text, "f.yml", now=NOW).warnings == ()


def test_without_a_now_there_is_no_warning_and_with_a_problem_neither() -> None:
    often = "version: 1\ninstances: [{id: a, app: x, schedule: {start: 2026-03-08T00:00, interval: 1s}%s}]"
    assert load(often % "", "f.yml").warnings == ()
    assert load(often % ", priority: 0", "f.yml", now=NOW).warnings == ()
