"""One instance as a scenario wants it, with its due times worked out by plain arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.jobs import job_id_of
from common.schedule import InstanceSpec
from tests.checker.history import Due
from tests.simulation.world import START


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


@dataclass(frozen=True)
class Wanted:
    """One instance, and its due times (seconds since the start) with their stop times."""

    spec: InstanceSpec
    dues: tuple[float, ...]
    end: float | None
    parent: str | None = None
    day_ends: bool = False  # its window is over a minute after the full hour

    def told(self) -> Iterator[Due]:
        """List what the checker is to find."""
        for due in self.dues:
            yield from self.told_of(due)

    def told_of(self, due: float, *, is_asked_for: bool = False) -> Iterator[Due]:
        """List the jobs of one due time; one that a person asked for waits for no certain parent."""
        stop = self._stop_of(due)
        parents = () if is_asked_for or self.parent is None else (job_id_of(self.parent, at(due), 0),)
        for ordinal in range(self.spec.instances):
            yield Due(
                self.spec.id, at(due), ordinal, None if stop is None else at(stop),
                self.spec.grace_s, standalone=self.spec.machine == "standalone", parents=parents,
            )  # fmt: skip

    def _stop_of(self, due: float) -> float | None:
        schedule = self.spec.schedule
        stops = [self.end] if self.end is not None else []
        if schedule is not None and schedule.duration_s is not None:
            stops.append(due + schedule.duration_s)
        if self.day_ends:
            stops.append(due - due % 60 + 60)
        return min(stops, default=None)
