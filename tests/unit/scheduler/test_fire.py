"""What becomes of due times: misfire, deadlines, overlap, pause, long stretches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.jobs import JobState, Reason
from scheduler.domain.fire import (
    MOST_CATCH_UP,
    MOST_DUES_A_ROUND,
    Firing,
    LastRow,
    continue_last,
    fire,
)
from scheduler.domain.overlap import MOST_QUEUED, Admission, LiveJob, admit, to_release
from tests.unit.scheduler.build import NOON, at, every, schedule_of

S, R = JobState, Reason


def told(firing: Firing) -> list[tuple[float, S, R | None, int]]:
    return [
        ((job.due - NOON).total_seconds(), job.state, job.reason, job.count) for job in firing.jobs
    ]


def test_nothing_is_due_before_its_time():
    schedule = schedule_of(every(10))
    assert fire(schedule, (), at(9.999999), NOON) == Firing((), at(10))


def test_a_due_time_is_a_queued_job_and_the_schedule_goes_on():
    firing = fire(schedule_of(every(10, duration="4s")), (), at(10), NOON)
    (job,) = firing.jobs
    assert (job.job_id, job.state, job.stop_at, job.stop_reason) == (
        "a.20260302T120010Z.0", S.QUEUED, at(14), R.DURATION,
    )  # fmt: skip
    assert firing.next_due == at(20)


def test_the_last_due_time_ends_the_schedule():
    assert fire(schedule_of('schedule: {start: "2026-03-02T12:00:10"}'), (), at(11), NOON).next_due is None


def test_an_instance_without_a_schedule_is_never_due():
    assert fire(schedule_of("depends_on: [p]"), (), at(99), NOON) == Firing((), None)


@pytest.mark.parametrize(("misfire", "expected"), [
    ("latest", [(10, S.MISSED, R.DOWNTIME, 5), (60, S.QUEUED, None, 1)]),
    ("skip", [(10, S.MISSED, R.DOWNTIME, 6)]),
])  # fmt: skip
def test_what_was_missed_while_down_is_decided_by_the_policy(misfire, expected):
    schedule = schedule_of(f"misfire: {misfire}, overlap: allow, " + every(10))
    assert told(fire(schedule, (), at(65), at(65))) == expected


def test_misfire_all_runs_a_hundred_oldest_first():
    schedule = schedule_of("misfire: all, overlap: allow, " + every(1))
    firing = fire(schedule, (), at(150), at(200))
    assert told(firing)[0] == (1, S.MISSED, R.DOWNTIME, 50)
    runs = [job.due for job in firing.jobs if job.state is S.QUEUED]
    assert runs == [at(n) for n in range(51, 151)]
    assert len(runs) == MOST_CATCH_UP


def test_a_round_is_bounded_and_the_newest_hundred_are_left_to_the_next():
    schedule = schedule_of("misfire: all, overlap: allow, " + every(1))
    now, up = at(MOST_DUES_A_ROUND + 500), at(MOST_DUES_A_ROUND + 501)
    first = fire(schedule, (), now, up)
    assert told(first) == [(1, S.MISSED, R.DOWNTIME, MOST_DUES_A_ROUND - MOST_CATCH_UP)]
    second = fire(replace(schedule, next_due=first.next_due), (), now, up)
    assert [job.due for job in second.jobs if job.state is S.QUEUED] == [
        at(n) for n in range(MOST_DUES_A_ROUND + 401, MOST_DUES_A_ROUND + 501)
    ]


def test_latest_runs_one_however_long_the_downtime():
    schedule = schedule_of("overlap: allow, " + every(1))
    now, runs, rounds = at(3 * MOST_DUES_A_ROUND), 0, 0
    while schedule.next_due is not None and schedule.next_due <= now:
        firing = fire(schedule, (), now, now)
        runs += sum(job.state is S.QUEUED for job in firing.jobs)
        schedule = replace(schedule, next_due=firing.next_due)
        rounds += 1
    # now itself is not before `up_since`: it is on time
    assert (runs, rounds) == (1, 4)


def test_a_due_time_whose_window_is_over_was_missed():
    schedule = schedule_of(every(10, duration="3s"))
    assert told(fire(schedule, (), at(14), NOON)) == [(10, S.MISSED, R.WINDOW_CLOSED, 1)]


def test_a_due_time_past_its_start_deadline_was_missed():
    schedule = schedule_of("start_deadline: 2s, " + every(10))
    assert told(fire(schedule, (), at(12), NOON)) == [(10, S.MISSED, R.START_DEADLINE, 1)]


def test_every_ordinal_gets_its_row():
    firing = fire(schedule_of("instances: 3, " + every(10)), (), at(10), NOON)
    assert [job.ordinal for job in firing.jobs] == [0, 1, 2]


def test_a_paused_schedule_is_skipped_and_goes_on():
    schedule = schedule_of(every(10), state="paused")
    firing = fire(schedule, (), at(45), NOON)
    assert told(firing) == [(10, S.SKIPPED, R.PAUSED, 4)]
    assert (firing.jobs[0].until, firing.next_due) == (at(40), at(50))


def test_jobs_with_parents_wait_and_leave_overlap_for_later():
    schedule = schedule_of("depends_on: [p], " + every(10))
    live = [LiveJob("a.x.0", at(0))]
    assert told(fire(schedule, live, at(10), NOON)) == [(10, S.WAITING, None, 1)]


@pytest.mark.parametrize(("policy", "held", "expected"), [
    ("skip", 0, Admission.SKIP), ("allow", 0, Admission.GO), ("queue_one", 0, Admission.HOLD),
    ("queue_one", 1, Admission.SKIP), ("queue_all", MOST_QUEUED - 1, Admission.HOLD),
    ("queue_all", MOST_QUEUED, Admission.SKIP), ("replace", 1, Admission.HOLD),
])  # fmt: skip
def test_the_overlap_policy_decides_beside_live_jobs(policy, held, expected):
    others = [LiveJob("r", at(0)), *(LiveJob(f"h{n}", at(n + 1), True) for n in range(held))]
    assert admit(policy, others) is expected
    assert admit(policy, ()) is Admission.GO


def test_replace_wishes_the_end_of_all_before_it():
    schedule = schedule_of("overlap: replace, " + every(10))
    firing = fire(schedule, [LiveJob("old", at(0))], at(20), NOON)
    assert firing.replaced == ("old", "a.20260302T120010Z.0")
    assert [job.is_held for job in firing.jobs] == [True, True]


def test_held_jobs_go_one_due_time_at_a_time_and_only_when_nothing_is_ahead():
    held = [LiveJob("b0", at(2), True), LiveJob("b1", at(2), True), LiveJob("c", at(3), True)]
    assert to_release(held) == ("b0", "b1")
    assert to_release([LiveJob("a", at(1)), *held]) == ()
    assert to_release([]) == ()


@settings(max_examples=60, deadline=None)
@given(
    step=st.integers(1, 90), now=st.integers(0, 7200), up=st.integers(0, 7200),
    misfire=st.sampled_from(["latest", "all", "skip"]),
    overlap=st.sampled_from(["skip", "queue_one", "queue_all", "replace", "allow"]),
    state=st.sampled_from(["active", "paused"]),
)  # fmt: skip
def test_every_due_time_is_told_once_and_none_early(*, step, now, up, misfire, overlap, state):
    schedule = schedule_of(f"misfire: {misfire}, overlap: {overlap}, " + every(step), state=state)
    firing = fire(schedule, (), at(now), at(up))
    calendar = schedule.calendar
    dues = calendar.due_between(NOON, at(now), 10_000)
    covered = []
    for job in firing.jobs:
        until = job.until or job.due
        stretch = [due for due in dues if job.due <= due <= until]
        assert len(stretch) == job.count
        covered += stretch
    assert sorted(covered) == dues
    assert firing.next_due == calendar.next_due(at(now))


def last(seconds: float, **more: object) -> LastRow:
    return replace(LastRow("last", S.SKIPPED, R.PAUSED, 1, at(seconds)), **more)


PAUSED = schedule_of(every(10), state="paused", next_due=at(40))


def test_the_first_three_of_a_stretch_are_told_one_by_one():
    firing = fire(PAUSED, (), at(40), NOON)
    assert continue_last(firing, PAUSED, [last(30), last(20)]) == firing


def test_the_fourth_begins_a_stretch_and_more_make_it_longer():
    firing = fire(PAUSED, (), at(40), NOON)
    begun = continue_last(firing, PAUSED, [last(30), last(20), last(10)])
    assert [(j.count, j.until, j.is_extension) for j in begun.jobs] == [(1, at(40), False)]
    (longer,) = continue_last(firing, PAUSED, [last(30, is_stretch=True)]).jobs
    assert (longer.job_id, longer.count, longer.until) == ("last", 1, at(40))
    assert longer.is_extension


@pytest.mark.parametrize("other", [
    last(20, is_stretch=True), last(30, is_stretch=True, version=2),
    last(30, is_stretch=True, state=S.MISSED), last(30, is_stretch=True, reason=R.OVERLAP),
])  # fmt: skip
def test_a_stretch_is_of_one_kind_and_without_a_gap(other):
    firing = fire(PAUSED, (), at(40), NOON)
    assert continue_last(firing, PAUSED, [other]) == firing


@pytest.mark.parametrize("state", ["paused", "active"])
def test_a_due_time_with_a_row_already_parts_a_stretch_in_two(state):
    body = every(10) if state == "paused" else "misfire: skip, " + every(10)
    told = frozenset({at(10), at(60)})
    firing = fire(schedule_of(body, state=state, told=told), (), at(100), at(105))
    assert [(j.due, j.count, j.until) for j in firing.jobs] == [
        (at(20), 4, at(50)), (at(70), 4, at(100)),
    ]  # fmt: skip
    assert firing.next_due == at(110)


def test_what_was_skipped_ahead_is_in_nobodys_way():
    schedule = schedule_of(every(10), told=frozenset({at(10)}))
    (job,) = fire(schedule, (), at(20), NOON).jobs
    assert (job.due, job.state) == (at(20), S.QUEUED)
