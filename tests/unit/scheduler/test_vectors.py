"""The vectors of the schedule's specification that are about downtime, and the edges of its limits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from common.jobs import TERMINAL, JobState, Reason
from scheduler.domain.fire import fire
from scheduler.domain.job import MOVES, JobView, Limits
from scheduler.domain.schedule import NewJob, Schedule
from tests.unit.scheduler.build import NOON, at, every, schedule_of

S, R = JobState, Reason


def clock(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-03T{text}:00+00:00")


def due_at(body: str, begin: str) -> Schedule:
    """Return a schedule whose next due time is the first after a time of day."""
    made = schedule_of(body)
    assert made.calendar is not None
    return schedule_of(body, next_due=made.calendar.next_due(clock(begin)))


def told(jobs: tuple[NewJob, ...]) -> list[tuple[str, S, R | None, int]]:
    return [(f"{job.due.astimezone(UTC):%H:%M}", job.state, job.reason, job.count) for job in jobs]


def test_each_minute_and_down_from_8_29_to_10_21_is_one_run_one_row_and_then_on_time():
    schedule = due_at('schedule: {start: "2026-03-01T00:00", interval: 1m}', "08:29")
    back = clock("10:21")
    firing = fire(schedule, (), back.replace(second=30), back.replace(second=30))
    assert told(firing.jobs) == [
        ("08:30", S.MISSED, R.DOWNTIME, 111), ("10:21", S.QUEUED, None, 1),
    ]  # fmt: skip
    assert firing.next_due == clock("10:22")


@pytest.mark.parametrize(("end", "expected"), [
    ("", [("02:00", S.QUEUED, None, 1)]),
    (', end_time: "06:00"', [("02:00", S.MISSED, R.WINDOW_CLOSED, 1)]),
])  # fmt: skip
def test_daily_at_2_and_down_from_1_to_9_runs_late_or_its_window_is_over(end, expected):
    schedule = due_at(f'schedule: {{start_time: "02:00"{end}}}', "01:00")
    firing = fire(schedule, (), clock("09:00"), clock("09:00"))
    assert told(firing.jobs) == expected
    assert firing.jobs[0].due == clock("02:00")


def test_a_late_start_does_not_move_the_stop_time():
    schedule = schedule_of(every(60, duration="50s"))
    (job,) = fire(schedule, (), at(100), at(100)).jobs
    assert (job.due, job.stop_at) == (at(60), at(110))


@pytest.mark.parametrize(("body", "seconds", "reason"), [
    (every(60, duration="20s"), 79.999999, None), (every(60, duration="20s"), 80, R.WINDOW_CLOSED),
    ("start_deadline: 20s, " + every(60), 79.999999, None),
    ("start_deadline: 20s, " + every(60), 80, R.START_DEADLINE),
    ('schedule: {start: "2026-03-02T12:01"}', 60 + 86_399, None),
    ('schedule: {start: "2026-03-02T12:01"}', 60 + 86_400, R.START_DEADLINE),
])  # fmt: skip
def test_it_starts_only_before_the_sooner_of_stop_time_and_deadline(body, seconds, reason):
    schedule = schedule_of(body, next_due=at(60))
    (job,) = fire(schedule, (), at(seconds), NOON).jobs[:1]
    assert (job.state, job.reason) == ((S.MISSED, reason) if reason else (S.QUEUED, None))


def test_the_states_and_reasons_are_those_of_the_language():
    states = (
        "PLANNED WAITING QUEUED STARTING RUNNING STOPPING SUCCEEDED FAILED TIMED_OUT ENDED "
        "CANCELLED MISSED SKIPPED UPSTREAM_FAILED LOST UNKNOWN"
    )
    reasons = (
        "downtime start_deadline window_closed overlap paused dep_failed dep_timeout no_node "
        "pull_failed exit_code oom end_time duration timeout replaced user node_lost kill_failed"
    )
    assert set(S) == set(states.split())
    assert set(R) == set(reasons.split())
    assert all(not MOVES.get(state) for state in TERMINAL)


def test_no_attempt_of_a_job_outlives_its_stop_time():
    limits = Limits(at(60), R.DURATION, at(3600))
    for attempt, state in ((1, S.RUNNING), (2, S.QUEUED), (3, S.RUNNING)):
        job = JobView(state, attempt, 1, at(60))
        assert limits.next_stop(job) == at(60)
        assert limits.reason_now(job, at(60)) is R.DURATION
