"""What is made ready and called plain is what deciding would make of it; the rest is decided."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.jobs import JobState
from common.messages import JOB_COMMANDS, decode
from scheduler.domain.fire import fire
from scheduler.domain.overlap import LiveJob
from scheduler.domain.schedule import ACTIVE, PAUSED, Schedule, first_attempt, start_command
from scheduler.firing import When
from scheduler.ready import ReadyDues, make_ready
from tests.unit.scheduler.build import NOON, at, every, schedule_of

bodies = st.sampled_from([
    every(60), every(60, duration="30s"), every(60, end='"2026-03-02T12:05"'), every(3600),
    'schedule: {start: "2026-03-02T12:01"}', every(60) + ", instances: 3",
    every(60) + ", overlap: allow", every(60) + ", misfire: skip", every(60) + ", misfire: all",
    every(60) + ", start_deadline: 20s", every(60, duration="90s") + ", overlap: queue_one",
])  # fmt: skip


@given(body=bodies, now_s=st.integers(0, 400), up_s=st.integers(-100, 400), has_live=st.booleans())
def test_what_is_plain_is_fired_as_deciding_would(body, now_s, up_s, has_live):
    schedule = schedule_of(body)
    ready = make_ready(schedule)
    live = [LiveJob("a.x.0", at(-60))] if has_live else []
    when = When(at(now_s), {3: at(up_s)})
    if not when.is_plain(ready) or (live and not ready.may_overlap):
        return
    firing = fire(schedule, live, at(now_s), at(up_s))
    assert firing.next_due == ready.next_due
    assert firing.replaced == ()
    assert {job.state for job in firing.jobs} == {JobState.QUEUED}
    assert not any(job.is_held for job in firing.jobs)
    assert [decode(JOB_COMMANDS, c.content).spec for c in ready.commands] == [
        start_command(schedule.definition, first_attempt(job)).spec for job in firing.jobs]
    assert [(c.job_id, c.not_before) for c in ready.commands] == [
        (job.job_id, job.due) for job in firing.jobs]
    assert [(row["job_id"], row["stop_at"], row["start_by"], row["stop_reason"])
            for row in ready.rows] == [
        (job.job_id, job.stop_at, job.start_by, job.stop_reason) for job in firing.jobs]


@pytest.mark.parametrize(
    ("body", "now_s", "up_s", "is_plain"),
    [
        (every(60), 59, -99, False),  # not due yet
        (every(60), 60, -99, True),
        (every(60), 119, -99, True),
        (every(60), 120, -99, False),  # two due times
        (every(3600), 3700, 3650, True),  # the only one missed, and the newest missed one runs
        (every(3600) + ", misfire: skip", 3700, 3650, False),
        (every(3600, duration="50s"), 3650, -99, False),  # its stop time is over
        (every(3600) + ", start_deadline: 20s", 3620, -99, False),
    ],
)  # fmt: skip
def test_what_is_late_doubled_or_missed_is_not_plain(body, now_s, up_s, is_plain):
    ready = make_ready(schedule_of(body))
    assert When(at(now_s), {3: at(up_s)}).is_plain(ready) is is_plain


def test_a_plain_due_time_may_be_written_ahead_but_none_later_than_that():
    ready = make_ready(schedule_of(every(60)))
    assert When(at(59.9), {3: NOON}, ahead=at(60)).is_plain(ready)
    assert not When(at(59.9), {3: NOON}, ahead=at(59.95)).is_plain(ready)


@pytest.mark.parametrize("body", ["depends_on: [p]", every(60) + ", depends_on: [p]"])
def test_what_waits_for_others_is_never_ready(body):
    assert make_ready(schedule_of(body)) is None


def test_a_paused_or_ended_schedule_is_never_ready():
    assert make_ready(schedule_of(every(60), state=PAUSED)) is None
    assert make_ready(schedule_of(every(60), next_due=None)) is None


@pytest.mark.parametrize("change", [
    {"version": 2}, {"state": PAUSED}, {"next_due": at(120)}, {"applied_at": at(1)}])
def test_what_has_changed_since_is_taken_out_and_thrown_away(change):
    schedule, dues = schedule_of(every(60)), ReadyDues()
    dues.put([schedule], at(60))
    assert dues.take([row_of(schedule) | change]) == {}
    assert len(dues) == 0


def test_what_is_still_the_same_is_taken_once_and_what_is_far_is_not_made():
    schedule, dues = schedule_of(every(60)), ReadyDues()
    far = replace(schedule, instance_id="far", next_due=at(120))
    dues.put([schedule, far], at(60))
    rows = [row_of(schedule), row_of(far)]
    assert list(dues.take(rows)) == ["a"]
    assert dues.take(rows) == {}


def row_of(schedule: Schedule) -> dict[str, object]:
    return {
        "instance_id": schedule.instance_id, "version": 1, "state": ACTIVE,
        "next_due": schedule.next_due, "applied_at": schedule.applied_at,
    }  # fmt: skip
