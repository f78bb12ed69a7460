"""When an instance was paused, of what was said; and what that makes of its due times."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.jobs import JobState, Reason
from scheduler.domain.cycles import follow_stretch
from scheduler.domain.fire import MOST_CATCH_UP, MOST_DUES_A_ROUND, fire
from scheduler.domain.pauses import Pauses, pauses_of
from scheduler.domain.schedule import new_job
from tests.unit.scheduler.build import NOON, at, every, schedule_of

PAUSE, RESUME = True, False
S, R = JobState, Reason


@pytest.mark.parametrize(("changes", "is_paused", "expected"), [
    ([], False, Pauses(False)),
    ([], True, Pauses(True)),
    ([(20, PAUSE), (40, RESUME)], False, Pauses(False, (at(20), at(40)))),
    ([(20, RESUME)], False, Pauses(True, (at(20),))),
    ([(20, PAUSE), (25, PAUSE), (40, RESUME), (41, RESUME)], False,
     Pauses(False, (at(20), at(40)))),
])  # fmt: skip
def test_what_was_before_is_the_opposite_of_the_first_change(changes, is_paused, expected):
    assert pauses_of([(at(s), wish) for s, wish in changes], is_paused=is_paused) == expected


def test_a_change_holds_for_what_is_due_after_it():
    pauses = Pauses(False, (at(20), at(40)))
    assert [n for n in range(10, 60, 10) if pauses.covers(at(n))] == [30, 40]


@given(st.lists(st.integers(1, 100), unique=True), st.booleans())
def test_a_due_time_is_as_the_last_change_before_it_said(seconds, is_paused):
    changes = [(at(s), (n % 2 == 0) != is_paused) for n, s in enumerate(sorted(seconds))]
    pauses = pauses_of(changes, is_paused=is_paused)
    for second in range(1, 102):
        said = [wish for moment, wish in changes if moment < at(second)]
        assert pauses.covers(at(second)) == (said[-1] if said else is_paused)


def told(body, now, up_since, *turned, was_paused=False):
    schedule = schedule_of(body, pauses=Pauses(was_paused, tuple(map(at, turned))))
    firing = fire(schedule, (), at(now), at(up_since))
    return [((j.due - NOON).total_seconds(), j.state, j.reason, j.count) for j in firing.jobs]


def test_of_one_stretch_each_due_time_is_told_as_it_was_then():
    body = "misfire: all, overlap: allow, " + every(10)
    assert told(body, 60, 0, 15, 35) == [
        (20, S.SKIPPED, R.PAUSED, 1), (30, S.SKIPPED, R.PAUSED, 1),
        *((second, S.QUEUED, None, 1) for second in (10, 40, 50, 60)),
    ]  # fmt: skip


def test_latest_runs_the_newest_missed_one_that_was_in_no_pause():
    assert told(every(10), 65, 70, 45) == [
        (50, S.SKIPPED, R.PAUSED, 1), (60, S.SKIPPED, R.PAUSED, 1),
        (10, S.MISSED, R.DOWNTIME, 4),
    ], "and none while it is paused"
    assert told(every(10), 65, 70, 45, 62) == [
        (50, S.SKIPPED, R.PAUSED, 1), (60, S.SKIPPED, R.PAUSED, 1),
        *((second, S.MISSED, R.DOWNTIME, 1) for second in (10, 20, 30)), (40, S.QUEUED, None, 1),
    ]  # fmt: skip


def test_no_stretch_goes_over_a_pause_in_between():
    rows = told("misfire: skip, " + every(1), 30, 40, 10, 20)
    assert rows == [
        (11, S.SKIPPED, R.PAUSED, 10), (1, S.MISSED, R.DOWNTIME, 10), (21, S.MISSED, R.DOWNTIME, 10),
    ]  # fmt: skip


def test_a_round_that_is_full_keeps_to_the_pauses():
    now = MOST_DUES_A_ROUND + 500
    rows = told("misfire: skip, " + every(1), now, now + 1, 100, 200)
    assert rows == [
        (101, S.SKIPPED, R.PAUSED, 100), (1, S.MISSED, R.DOWNTIME, 100),
        (201, S.MISSED, R.DOWNTIME, MOST_DUES_A_ROUND - MOST_CATCH_UP - 200),
    ]  # fmt: skip


def test_what_a_person_skipped_ahead_keeps_its_row_in_a_pause():
    schedule = schedule_of(every(10), pauses=Pauses(True), told=frozenset([at(20)]))
    assert [job.due for job in fire(schedule, (), at(30), NOON).jobs] == [at(10), at(30)]


def test_a_child_was_paused_for_a_part_of_its_parents_stretch():
    parent = schedule_of("misfire: skip, " + every(10))
    child = replace(
        schedule_of("depends_on: [p]"), instance_id="c", pauses=Pauses(False, (at(25), at(45)))
    )
    stretch = replace(
        new_job(parent, at(10), 0, S.MISSED, reason=R.DOWNTIME), count=6, until=at(60)
    )
    rows = follow_stretch(child, parent, stretch)
    assert [(row.due, row.state, row.reason, row.count, row.until) for row in rows] == [
        (at(10), S.UPSTREAM_FAILED, R.DEP_FAILED, 2, at(20)),
        (at(30), S.SKIPPED, R.PAUSED, 2, at(40)),
        (at(50), S.UPSTREAM_FAILED, R.DEP_FAILED, 2, at(60)),
    ]
