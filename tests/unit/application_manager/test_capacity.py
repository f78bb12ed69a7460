"""What a plan asks of the nodes at its highest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from application_manager.domain.capacity import SAMPLED, Weighted, peak_of, sample_of
from application_manager.domain.horizon import Window
from common.schedule import InstanceSpec, load_many

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = Window(NOON, NOON + timedelta(days=1))


def spec(schedule: str, more: str = "") -> InstanceSpec:
    text = f"version: 1\ninstances:\n  - {{id: a, app: 'x:1', schedule: {schedule}{more}}}\n"
    loaded = load_many([("f.yml", text.encode())])
    assert not loaded.problems, loaded.problems
    return loaded.instances[0]


AT_EIGHT = spec('{start_time: "08:00", duration: 1h}', ", resources: {cpus: 2, memory: 1GiB}")


@pytest.mark.parametrize(("schedule", "jobs", "cpus"), [
    ('{start_time: "08:30", duration: 1h}', 2, 2.1), ('{start_time: "09:00", duration: 1h}', 1, 2.0),
    ('{start_time: "07:00", duration: 1h}', 1, 2.0), ('{start_time: "07:30", duration: 31m}', 2, 2.1),
])  # fmt: skip
def test_jobs_count_while_they_overlap(schedule: str, jobs: int, cpus: float) -> None:
    peak = peak_of([Weighted(AT_EIGHT), Weighted(spec(schedule))], DAY)
    assert (round(peak.demand.jobs), round(peak.demand.cpus, 2)) == (jobs, cpus)


def test_the_peak_is_the_first_instant_of_the_highest_load() -> None:
    peak = peak_of([Weighted(AT_EIGHT), Weighted(spec('{start_time: "08:30", duration: 1h}'))], DAY)
    assert peak.at == datetime(2026, 3, 3, 8, 30, tzinfo=UTC)
    assert peak.demand.memory_bytes == 1024**3 + 64 * 1024**2


def test_what_runs_again_and_again_counts_once_unless_it_overlaps_itself() -> None:
    every = spec("{start: 2026-03-02T00:00:00Z, interval: 30s}")
    assert round(peak_of([Weighted(every)], DAY).demand.jobs) == 2


def test_a_window_without_due_times_has_no_peak() -> None:
    assert peak_of([Weighted(spec("{start: 2027-01-01T00:00:00Z}"))], DAY).at is None


def test_a_sample_stands_for_all() -> None:
    many = [AT_EIGHT] * (SAMPLED * 3 + 1)
    kept = sample_of(many)
    assert len(kept) <= SAMPLED
    assert sum(each.weight for each in kept) == pytest.approx(len(many))
    assert sum(each.weight for each in sample_of(many, 10_000)) == pytest.approx(10_000)
