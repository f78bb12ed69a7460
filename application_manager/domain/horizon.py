"""What is planned: due times of schedules in a window, bounded however often they come. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from common.schedule import InstanceSpec, compile_schedule

MOST_DUES = 300  # of one instance in one window; more are told as a band with their usual step
UNKNOWN_LENGTH = timedelta(seconds=60)
DEFAULT_CPUS = 0.1  # what a job that asks for nothing is counted as (load_balancer.domain.ranking)


@dataclass(frozen=True)
class Window:
    """A stretch of time, half open."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Planned:
    """One due time to come, and when its jobs will probably end."""

    due: datetime
    end: datetime


@dataclass(frozen=True)
class Band:
    """Due times too many to be shown one by one."""

    since: datetime
    until: datetime
    step_s: float


@dataclass(frozen=True)
class Horizon:
    """What one instance has before it in a window."""

    planned: Sequence[Planned] = ()
    band: Band | None = None


def horizon_of(
    spec: InstanceSpec, window: Window, usual_s: float | None, most: int = MOST_DUES
) -> Horizon:
    """Return the due times in a window, or from `most` on a band of them.

    `usual_s` is how long its jobs ran lately, if ever.
    """
    calendar = compile_schedule(spec)
    if calendar is None:
        return Horizon()
    just_before = window.since - timedelta(microseconds=1)
    found = calendar.due_between(just_before, window.until, most)
    dues = [due for due in found if due < window.until]
    if len(dues) == most:
        step_s = median((b - a).total_seconds() for a, b in pairwise(dues))
        return Horizon(band=Band(dues[0], window.until, step_s))
    return Horizon([Planned(due, end_of(due, calendar.stop_time(due), usual_s)) for due in dues])


def end_of(due: datetime, stop: datetime | None, usual_s: float | None) -> datetime:
    """Guess an end: as long as usual, never past the stop time; without a usual, the stop time."""
    if usual_s is None:
        return stop or due + UNKNOWN_LENGTH
    usual = due + timedelta(seconds=max(usual_s, 1.0))
    return min(usual, stop) if stop else usual


@dataclass(frozen=True)
class Sums:
    """Many spans in one: their amount, and it weighted with where in its step each begins, ends."""

    total: float
    begin: float
    end: float


@dataclass
class Curve:
    """CPUs asked for and jobs running, averaged over steps of a window."""

    window: Window
    step: timedelta
    cpus: list[float]
    jobs: list[float]

    @staticmethod
    def empty(window: Window, step: timedelta) -> Curve:
        count = max(1, -(-(window.until - window.since) // step))
        return Curve(window, step, [0.0] * count, [0.0] * count)

    def add(self, start: datetime, end: datetime, cpus: float, weight: float = 1.0) -> None:
        """Count something that runs from start to end, in each step by the part it is there."""
        step_s = self.step.total_seconds()
        begin = max(0.0, (start - self.window.since).total_seconds() / step_s)
        finish = min(float(len(self.jobs)), (end - self.window.since).total_seconds() / step_s)
        index = int(begin)
        while index < finish:
            part = (min(finish, index + 1) - max(begin, index)) * weight
            self.jobs[index] += part
            self.cpus[index] += part * cpus
            index += 1

    def add_sums(self, first: int, last: int, jobs: Sums, cpus: Sums) -> None:
        """Count many spans at once, all of which begin in step `first` and end in step `last`."""
        for values, sums in ((self.jobs, jobs), (self.cpus, cpus)):
            if first == last:
                _put(values, first, sums.end - sums.begin)
                continue
            _put(values, first, sums.total - sums.begin)
            _put(values, last, sums.end)
            for index in range(max(0, first + 1), min(last, len(values))):
                values[index] += sums.total


def _put(values: list[float], index: int, amount: float) -> None:
    if 0 <= index < len(values):
        values[index] += amount


def add_planned(
    curve: Curve, specs: Iterable[tuple[InstanceSpec, float | None]], since: datetime, weight: float
) -> None:
    """Add what is planned from `since` on; `weight` where the specs are a sample of all."""
    window = Window(max(since, curve.window.since), curve.window.until)
    if window.since >= window.until:
        return
    for spec, usual_s in specs:
        cpus = spec.cpus or DEFAULT_CPUS
        horizon = horizon_of(spec, window, usual_s)
        for planned in horizon.planned:
            curve.add(planned.due, planned.end, cpus, weight * spec.instances)
        if horizon.band is not None:
            share = min(1.0, (usual_s or UNKNOWN_LENGTH.total_seconds()) / horizon.band.step_s)
            band = horizon.band
            curve.add(band.since, band.until, cpus, weight * spec.instances * share)
