"""What is asked of a machine, and what its answer means. Pure.

CPU from two readings of /proc/stat (proc(5): user, nice, system, irq, softirq and steal are busy,
idle and iowait are not; guest is in user already), RAM in use from MemAvailable.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.errors import Permanent
from common.sampler import SAMPLER_SCRIPT

END_MARK = b".\n"
MOST_BYTES = 4096

__all__ = [
    "END_MARK", "MOST_BYTES", "SAMPLER_SCRIPT", "Reading", "StrangeSampleError", "cpu_between",
    "parse_reading",
]  # fmt: skip


class StrangeSampleError(Permanent):
    """The machine's answer is not a sample."""


@dataclass(frozen=True)
class Reading:
    """Counters of one moment: CPU in ticks since boot, RAM in KiB."""

    busy: int
    total: int
    ram_total: int
    ram_available: int

    @property
    def ram(self) -> float:
        """RAM in use, 0..1."""
        return min(1.0, max(0.0, 1 - self.ram_available / self.ram_total))


def parse_reading(answer: bytes) -> Reading:
    """Read one answer; raise `StrangeSampleError` for anything a healthy machine does not say."""
    fields: dict[str, list[int]] = {}
    try:
        for line in answer[:MOST_BYTES].decode("ascii").splitlines():
            name, *words = line.split()
            if name in {"cpu", "MemTotal:", "MemAvailable:"}:
                fields[name] = [int(word) for word in words if word != "kB"]
        user, nice, system, idle, iowait, irq, softirq, steal = fields["cpu"][:8]
        ram_total, ram_available = fields["MemTotal:"][0], fields["MemAvailable:"][0]
    except (ValueError, KeyError, IndexError) as error:
        raise StrangeSampleError(f"not a sample: {answer[:80]!r}") from error
    if ram_total <= 0:
        raise StrangeSampleError(f"MemTotal is {ram_total}")
    busy = user + nice + system + irq + softirq + steal
    return Reading(busy, busy + idle + iowait, ram_total, ram_available)


def cpu_between(earlier: Reading, later: Reading) -> float | None:
    """Return the CPU load between two readings, 0..1; None where no time passed or it restarted."""
    total = later.total - earlier.total
    if total <= 0:
        return None
    return min(1.0, max(0.0, (later.busy - earlier.busy) / total))
