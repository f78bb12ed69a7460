"""Edges: whether they hold, and which due times they mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from common.jobs import JobState as S
from common.jobs import Reason as R  # noqa: N817
from scheduler.domain.cycles import Parents, child_jobs, edges_of, follow_stretch, join_last
from scheduler.domain.dependencies import Verdict, judge_all, judge_edge
from scheduler.domain.fire import LastRow
from scheduler.domain.schedule import new_job
from tests.unit.scheduler.build import NOON, at, every, schedule_of

YES, WAIT, NO = Verdict.SATISFIED, Verdict.WAITING, Verdict.IMPOSSIBLE
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("ends", "parents", "verdict"), [
    ("success", [], WAIT), ("success", [S.SUCCEEDED], YES), ("success", [S.ENDED], YES),
    ("success", [S.RUNNING], WAIT), ("success", [S.SUCCEEDED, S.RUNNING], WAIT),
    ("success", [S.FAILED, S.RUNNING], NO), ("success", [S.SKIPPED], NO),
    ("success", [S.UPSTREAM_FAILED], NO), ("success", [S.MISSED], NO), ("success", [S.LOST], NO),
    ("failure", [S.FAILED], YES), ("failure", [S.SUCCEEDED], NO),
    ("failure", [S.FAILED, S.RUNNING], WAIT), ("failure", [S.TIMED_OUT, S.SUCCEEDED], YES),
    ("done", [S.FAILED, S.SUCCEEDED], YES), ("done", [S.UNKNOWN], WAIT), ("done", [S.SKIPPED], YES),
    ("started", [S.QUEUED], WAIT), ("started", [S.STARTING], WAIT), ("started", [S.RUNNING], YES),
    ("started", [S.RUNNING, S.QUEUED], WAIT), ("started", [S.SUCCEEDED], YES),
    ("started", [S.MISSED], NO), ("started", [S.UNKNOWN], YES),
])  # fmt: skip
def test_what_an_edge_says(ends, parents, verdict):
    assert judge_edge(ends, parents) is verdict


@pytest.mark.parametrize(("verdicts", "verdict"), [
    ([], YES), ([YES, YES], YES), ([YES, WAIT], WAIT), ([WAIT, NO], NO),
])  # fmt: skip
def test_all_edges_must_hold(verdicts, verdict):
    assert judge_all(verdicts) is verdict


def parents_of(**schedules):
    return Parents(schedules, {})


EARLY = NOON - 30 * HOUR


def test_a_parents_due_time_is_its_latest_at_or_before_the_childs():
    child = schedule_of("depends_on: [p], " + every(3600), applied_at=EARLY)
    parent = schedule_of(every(600), applied_at=EARLY)
    assert edges_of(child, NOON + HOUR, parents_of(p=parent))[0].parent_due == NOON + HOUR


def test_a_parent_that_was_not_due_in_the_childs_cycle_holds_nobody_up():
    child = schedule_of("depends_on: [p], " + every(600), applied_at=EARLY)
    parent = schedule_of(every(3600), applied_at=EARLY)
    (edge,) = edges_of(child, NOON + HOUR + timedelta(minutes=10), parents_of(p=parent))
    assert edge.parent_due is None


def test_a_parent_that_is_gone_holds_nobody_up():
    child = schedule_of("depends_on: [p], " + every(600))
    gone = schedule_of(every(600), state="deleted")
    assert edges_of(child, at(600), parents_of(p=gone))[0].parent_due is None
    assert edges_of(child, at(600), parents_of())[0].parent_due is None


def test_a_parent_edited_since_is_matched_by_the_ledger():
    child = schedule_of("depends_on: [p], " + every(3600), applied_at=EARLY)
    parent = schedule_of(every(600), applied_at=NOON + HOUR + timedelta(seconds=1))
    written = {"p": NOON + timedelta(minutes=7)}
    (edge,) = edges_of(child, NOON + HOUR, Parents({"p": parent}, written))
    assert edge.parent_due == written["p"]


def test_a_parent_never_due_since_it_was_applied_holds_nobody_up():
    """Applied at 03:00, daily at 01:00, the child at 05:00: nothing of it in this cycle."""
    child = schedule_of("depends_on: [p], " + every(3600), applied_at=NOON)
    parent = schedule_of(every(3600), applied_at=NOON + HOUR)
    assert edges_of(child, NOON + HOUR, parents_of(p=parent))[0].parent_due is None


def test_a_child_without_a_schedule_runs_once_per_parent_job():
    child = schedule_of("depends_on: [p]", applied_at=EARLY)
    parents = parents_of(p=schedule_of(every(600), applied_at=EARLY))
    (job,) = child_jobs(child, ("p", at(600)), None, parents)
    assert (job.due, job.state, job.edges[0].parent_due) == (at(600), S.WAITING, at(600))
    (again,) = child_jobs(child, ("p", at(600)), at(600), parents)
    assert again.job_id == job.job_id  # its row is there: nothing comes of it


def test_a_child_of_two_comes_with_the_later_one():
    child = schedule_of("depends_on: [p, q]", applied_at=NOON)
    p = schedule_of('schedule: {start: "2026-03-02T12:01", interval: 1h}', applied_at=NOON)
    q = schedule_of('schedule: {start: "2026-03-02T12:05", interval: 1h}', applied_at=NOON)
    parents = parents_of(p=p, q=q)
    assert child_jobs(child, ("p", at(60)), None, parents) == ()
    (job,) = child_jobs(child, ("q", at(300)), None, parents)
    assert [edge.parent_due for edge in job.edges] == [at(60), at(300)]
    assert child_jobs(child, ("p", at(3660)), at(300), parents) == ()


def test_a_paused_child_is_skipped_and_a_deleted_one_is_not_there():
    parents = parents_of(p=schedule_of(every(600)))
    paused = schedule_of("depends_on: [p]", state="paused")
    assert [j.state for j in child_jobs(paused, ("p", at(600)), None, parents)] == [S.SKIPPED]
    deleted = schedule_of("depends_on: [p]", state="deleted")
    assert child_jobs(deleted, ("p", at(600)), None, parents) == ()


def test_a_run_by_hand_is_what_its_child_waits_for():
    child = schedule_of("depends_on: [p]", applied_at=NOON)
    parents = parents_of(p=schedule_of(every(600)))
    (job,) = child_jobs(child, ("p", at(77.5)), None, parents)
    assert job.edges[0].parent_due == at(77.5)


def stretch_of(parent, first, last, state=S.MISSED, reason=R.DOWNTIME):
    count = int((last - first).total_seconds()) // 10 + 1
    row = new_job(parent, first, 0, state, reason=reason)
    return replace(row, count=count * parent.spec.instances, until=last)


TEN = schedule_of("instances: 2, " + every(10), applied_at=EARLY)


def follow(edge: str, first: int, last: int, **more):
    child = schedule_of(f"depends_on: [{{instance: p, on: {edge}}}]", **({"applied_at": EARLY} | more))
    jobs = follow_stretch(child, TEN, stretch_of(TEN, at(first), at(last)))
    return [(j.due, j.state, j.reason, j.count, j.until) for j in jobs]


@pytest.mark.parametrize("edge", ["success", "started"])
def test_a_child_follows_a_stretch_of_its_parent_with_one_of_its_own(edge):
    row = at(10), S.UPSTREAM_FAILED, R.DEP_FAILED, 5, at(50)
    assert follow(edge, 10, 50) == [row]


@pytest.mark.parametrize("edge", ["done", "failure"])
def test_a_child_that_runs_all_the_same_runs_for_the_newest_of_a_stretch(edge):
    assert follow(edge, 10, 50) == [
        (at(50), S.WAITING, None, 1, None), (at(10), S.SKIPPED, R.OVERLAP, 4, at(40)),
    ]  # fmt: skip
    assert follow(edge, 10, 10) == [(at(10), S.WAITING, None, 1, None)]


def test_of_a_stretch_a_child_follows_what_came_since_it_was_applied():
    row = at(40), S.UPSTREAM_FAILED, R.DEP_FAILED, 2, at(50)
    assert follow("success", 10, 50, applied_at=at(30)) == [row]
    assert follow("success", 10, 50, applied_at=at(50)) == []
    assert follow("success", 10, 50, state="deleted") == []


def test_a_paused_child_skips_what_its_parent_passed_up():
    assert follow("done", 10, 50, state="paused") == [(at(10), S.SKIPPED, R.PAUSED, 5, at(50))]


def test_a_childs_stretch_that_goes_on_is_one_row():
    child = schedule_of("depends_on: [p]", applied_at=EARLY)
    rows = follow_stretch(child, TEN, stretch_of(TEN, at(60), at(70)))
    last = LastRow("last", S.UPSTREAM_FAILED, R.DEP_FAILED, 1, at(50), is_stretch=True)
    (longer,) = join_last(child, rows, [last])
    assert (longer.job_id, longer.count, longer.until) == ("last", 2, at(70))
    assert longer.is_extension
    for other in (replace(last, version=2), replace(last, is_stretch=False),
                  replace(last, reason=R.PAUSED), replace(last, last_due=at(60))):  # fmt: skip
        assert join_last(child, rows, [other]) == list(rows)
