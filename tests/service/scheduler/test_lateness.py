"""How late starts are, as /metrics says it: what is waited for on purpose does not count."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from common.messages import DeploymentState as D
from tests.service.scheduler.test_firing import EVERY_10, FIRST
from tests.support.scheduler_world import NOON, World

CHAIN = (
    '  - {id: b, schedule: {start: "2026-03-02T12:00:10"}}\n'
    '  - {id: a, depends_on: [b], schedule: {start: "2026-03-02T12:00:10"}}\n'
)


class Heard:
    """What the histogram was told since it was looked at last."""

    def __init__(self) -> None:
        self._before = self._now()

    def since(self) -> tuple[float, float]:
        count, total = (now - was for now, was in zip(self._now(), self._before, strict=True))
        return count, total

    @staticmethod
    def _now() -> tuple[float, float]:
        count, total = (
            REGISTRY.get_sample_value(f"rota_start_lateness_seconds_{end}") or 0.0
            for end in ("count", "sum")
        )
        return count, total


def start(world: World, job_id: str, after_s: float, **more: int) -> None:
    started = NOON + timedelta(seconds=after_s)
    world.report(job_id, D.RUNNING, started_at=started, **more)


def test_a_start_is_late_by_its_due_time(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    heard = Heard()
    start(world, FIRST, 10.5)
    assert heard.since() == (1, pytest.approx(0.5))


def test_a_child_is_not_late_for_its_parents_time(world: World) -> None:
    world.apply(CHAIN)
    world.pass_time(11)
    start(world, "b.20260302T120010Z.0", 10.5)
    world.pass_time(60)
    world.report("b.20260302T120010Z.0", D.SUCCEEDED)
    released = (world.clock.now() - NOON).total_seconds()
    heard = Heard()
    start(world, FIRST, released + 0.25)
    assert heard.since() == (1, pytest.approx(0.25, abs=0.01))


def test_a_backfill_is_late_from_its_asking_on(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T18:00"}}\n')
    world.pass_time(5)
    world.ask("run", due=NOON - timedelta(days=30))
    (job,) = world.jobs()
    heard = Heard()
    start(world, job["job_id"], 5.75)
    assert heard.since() == (1, pytest.approx(0.75, abs=0.01))


def test_an_attempt_is_late_from_the_end_of_its_pause_on(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T12:00:10"}, retries: 1}\n')
    world.pass_time(11)
    start(world, FIRST, 10.5)
    world.report(FIRST, D.FAILED)
    (job,) = world.jobs()
    pause_over = (job["not_before"] - NOON).total_seconds()
    heard = Heard()
    start(world, FIRST, pause_over + 1, attempt=2)
    assert heard.since() == (1, pytest.approx(1.0, abs=0.01))
