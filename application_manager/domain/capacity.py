"""What a plan would ask of the nodes: the highest load of the next day, before it and after. Pure.

Each job counts from its due time to its stop time, or for a minute where it has none: what is
planned, not what usually happens. Of very many schedules every n-th stands for n.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from application_manager.domain.horizon import (
    DEFAULT_CPUS,
    UNKNOWN_LENGTH,
    Window,
    horizon_of,
)
from common.schedule import InstanceSpec

DEFAULT_MEMORY_BYTES = 64 * 1024**2
SAMPLED = 250


@dataclass(frozen=True)
class Demand:
    """What runs at one instant: jobs, the CPUs and the memory they ask for."""

    jobs: float = 0.0
    cpus: float = 0.0
    memory_bytes: float = 0.0

    def __add__(self, other: Demand) -> Demand:
        return Demand(self.jobs + other.jobs, self.cpus + other.cpus,
                      self.memory_bytes + other.memory_bytes)  # fmt: skip

    def times(self, factor: float) -> Demand:
        return Demand(self.jobs * factor, self.cpus * factor, self.memory_bytes * factor)


@dataclass(frozen=True)
class Peak:
    """The instant at which most CPUs are asked for; None where nothing is due."""

    at: datetime | None
    demand: Demand


@dataclass(frozen=True)
class Weighted:
    """A schedule, and how many it stands for."""

    spec: InstanceSpec
    weight: float = 1.0


def sample_of(specs: Sequence[InstanceSpec], total: int | None = None) -> list[Weighted]:
    """Take every n-th so that at most `SAMPLED` remain; `total` if they are only part of all."""
    stride = max(1, -(-len(specs) // SAMPLED))
    kept = specs[::stride]
    weight = (total or len(specs)) / len(kept) if kept else 1.0
    return [Weighted(spec, weight) for spec in kept]


def peak_of(schedules: Iterable[Weighted], window: Window) -> Peak:
    """Find the instant of a window at which most CPUs are planned to be asked for."""
    steps: list[tuple[datetime, int, Demand]] = []
    for each in schedules:
        for start, end, demand in _spans(each, window):
            steps.append((start, 1, demand))
            steps.append((end, 0, demand.times(-1)))  # what ends makes room for what begins
    steps.sort(key=lambda step: step[:2])
    now, peak = Demand(), Peak(None, Demand())
    for at, _, demand in steps:
        now += demand
        if now.cpus > peak.demand.cpus + 1e-9:
            peak = Peak(at, now)
    return peak


def _spans(each: Weighted, window: Window) -> Iterable[tuple[datetime, datetime, Demand]]:
    spec = each.spec
    one = Demand(1.0, spec.cpus or DEFAULT_CPUS, spec.memory_bytes or DEFAULT_MEMORY_BYTES)
    demand = one.times(spec.instances * each.weight)
    horizon = horizon_of(spec, window, None)
    for planned in horizon.planned:
        yield planned.due, max(planned.end, planned.due), demand
    band = horizon.band
    if band is not None:  # one at a time at least, more where they overlap
        at_once = max(1.0, UNKNOWN_LENGTH.total_seconds() / band.step_s)
        yield band.since, band.until, demand.times(at_once)
