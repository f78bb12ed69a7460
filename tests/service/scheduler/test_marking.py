"""Which starts are marked as sent, and when: what changed its state needs no mark."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.messages import JOB_COMMANDS, RunSpec, StartJob
from common.messages import DeploymentState as D
from scheduler.outbox import MARK_AFTER_S
from scheduler.ready import command_of
from tests.service.scheduler.test_firing import EVERY_10, FIRST
from tests.support.scheduler_world import NOON, World


@pytest.fixture
def sent(world: World) -> World:
    """A start that Kafka has, sent by the outbox's own thread."""
    world.scheduler.on_fired = lambda: None
    world.apply(EVERY_10.replace("}}", "}, retries: 1}"))
    world.pass_time(10)
    world.scheduler.outbox.send_queued()
    assert [start.job_id for start in world.commands()] == [FIRST]
    return world


def is_marked(world: World) -> bool:
    (job,) = world.jobs()
    return bool(job["is_published"])


def test_a_start_is_marked_when_its_job_has_not_changed_for_a_while(sent: World) -> None:
    sent.scheduler.outbox.sweep()
    assert not is_marked(sent)
    sent.clock.advance(timedelta(seconds=MARK_AFTER_S))
    sent.scheduler.outbox.sweep()
    assert is_marked(sent)
    assert len(sent.commands()) == 1


def test_a_second_attempt_is_sent_though_the_first_has_no_mark_yet(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.outbox.MARK_AFTER_S", 86400.0)
    sent.report(FIRST, D.RUNNING)
    sent.report(FIRST, D.FAILED)
    (job,) = sent.jobs()
    sent.clock.set(job["not_before"])
    sent.scheduler.outbox.sweep()
    assert [start.attempt for start in sent.commands()] == [1, 2]


def test_all_that_is_known_is_marked_when_the_scheduler_leaves(sent: World) -> None:
    sent.scheduler.leave()
    assert is_marked(sent)


def test_after_many_starts_the_next_ones_go_together(world: World) -> None:
    """A few go on at once; what a thousand cost the broker is shared by those that come meanwhile."""
    outbox, told = world.scheduler.outbox, []

    def add(count: int, after_s: float) -> None:
        world.clock.advance(timedelta(seconds=after_s))
        outbox.add(command_of(start) for start in starts(len(told), count))
        outbox.run_once()
        told.append(len(world.bus.records(JOB_COMMANDS)))

    add(100, 0)
    add(1000, 0.003)
    add(1, 0.01)
    add(1, 0.03)
    add(1, 0.02)
    assert told == [100, 1100, 1100, 1100, 1103]


def starts(batch: int, count: int) -> list[StartJob]:
    due = {"due": NOON, "start_by": NOON + timedelta(hours=1)}
    return [
        StartJob(id=f"{job_id}/1", job_id=job_id, attempt=1, instance_id="a", ordinal=0,
                 spec=RunSpec(image="image:1"), **due)
        for job_id in (f"a.{batch}-{number}.0" for number in range(count))
    ]  # fmt: skip
