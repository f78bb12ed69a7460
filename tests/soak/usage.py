"""What the platform's processes use, as the kernel tells it, over time."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.e2e.platform import MACHINES, Platform

_READ = """\
for id in $(docker ps -q --filter label=io.rota.service); do
    set -- $(docker inspect -f '{{index .Config.Labels "io.rota.service"}} {{.State.Pid}}' "$id")
    [ -r "/proc/$2/status" ] || continue
    echo "$1 $2 $(awk '/^VmRSS/ {print $2}' "/proc/$2/status")" \
        "$(ls "/proc/$2/fd" | wc -l) $(ls "/proc/$2/task" | wc -l)"
done
"""


@dataclass(frozen=True)
class Usage:
    """One process at one moment: resident memory in KiB, open descriptors, threads."""

    machine: str
    service: str
    pid: int
    memory_kib: int
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Growth:
    """How a process changed between the medians of two quarters of its life.

    Memory as a ratio; descriptors and threads as differences, for there are only tens of them.
    """

    machine: str
    service: str
    lived: int  # samples
    memory: float
    descriptors: float
    threads: float

    def __str__(self) -> str:
        return (f"{self.service}@{self.machine}: {self.lived} samples, memory x{self.memory:.3f},"
                f" descriptors {self.descriptors:+.0f}, threads {self.threads:+.0f}")  # fmt: skip


def usage_of(platform: Platform) -> list[Usage]:
    """Read all services' main processes on all machines; what is being restarted is left out."""
    return [one for machine in MACHINES for one in _on(platform, machine)]


def growth(samples: Sequence[Sequence[Usage]], at_least: int) -> list[Growth]:
    """Compare the second quarter of each process's life with its last one.

    The first quarter is its warming up; a process with fewer than `at_least` samples is too young.
    """
    lives: Mapping[tuple[str, str, int], list[Usage]] = defaultdict(list)
    for sample in samples:
        for one in sample:
            lives[one.machine, one.service, one.pid].append(one)
    return [_growth(life) for life in lives.values() if len(life) >= at_least]


def _on(platform: Platform, machine: str) -> Iterator[Usage]:
    for line in platform.on_machine(machine, "sh", "-c", _READ, check=False).splitlines():
        service, *numbers = line.split()
        if len(numbers) == 4:
            pid, memory, descriptors, threads = map(int, numbers)
            yield Usage(machine, service, pid, memory, descriptors, threads)


def _growth(life: Sequence[Usage]) -> Growth:
    quarter = len(life) // 4
    early, late = life[quarter : 2 * quarter + 1], life[-quarter - 1 :]

    def medians(field: str) -> tuple[float, float]:
        before, after = ([getattr(one, field) for one in part] for part in (early, late))
        return statistics.median(before), statistics.median(after)

    (memory, more_memory), *counts = map(medians, ("memory_kib", "descriptors", "threads"))
    descriptors, threads = (after - before for before, after in counts)
    return Growth(life[0].machine, life[0].service, len(life), more_memory / memory, descriptors,
                  threads)  # fmt: skip
