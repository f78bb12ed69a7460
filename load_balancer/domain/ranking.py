"""Which node gets a job: a heap of eligible nodes by load, every verdict told. Pure.

Used inside the deployment manager, of which the load balancer is a sub-component. Between two
samples every placement debits its node with what the job requests, so that a burst spreads.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from load_balancer.domain.load import harmonic_mean, is_over_ceiling

FRESH_S = 30.0
DEFAULT_CPUS = 0.1
DEFAULT_MEMORY_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Candidate:
    """A node as it stands. `age_s` None: never sampled; `debit_*` are fractions of the node."""

    node: str
    is_active: bool
    cpus: float
    memory_bytes: int
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu: float | None = None
    ram: float | None = None
    age_s: float | None = None
    debit_cpu: float = 0.0
    debit_ram: float = 0.0
    jobs: int = 0
    siblings: int = 0  # ordinals of the same due time that are there already
    has_standalone: bool = False
    last_used: float = 0.0
    why_inactive: str = ""

    @property
    def is_sampled(self) -> bool:
        """Whether the sample is fresh enough to choose by."""
        return self.cpu is not None and self.age_s is not None and self.age_s <= FRESH_S

    @property
    def expected(self) -> tuple[float, float]:
        """CPU and RAM with what was placed here since the sample."""
        cpu = min(1.0, (self.cpu or 0.0) + self.debit_cpu)
        return cpu, min(1.0, (self.ram or 0.0) + self.debit_ram)


@dataclass(frozen=True)
class Need:
    """What a job asks of its node."""

    is_standalone: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    cpus: float = DEFAULT_CPUS
    memory_bytes: int = DEFAULT_MEMORY_BYTES


@dataclass(frozen=True)
class Choice:
    """The node chosen, if any, and the verdict on every candidate, in words."""

    node: str | None
    verdicts: Mapping[str, str]


def choose(candidates: Sequence[Candidate], need: Need) -> Choice:
    """Choose the least loaded eligible node; without fresh samples the least recently used one."""
    verdicts: dict[str, str] = {}
    heap: list[tuple[tuple[float, ...], str]] = []
    for candidate in candidates:
        why_not = refusal(candidate, need)
        if why_not is None:
            heapq.heappush(heap, (_rank(candidate, need), candidate.node))
        else:
            verdicts[candidate.node] = why_not
    if not heap:
        return Choice(None, verdicts)
    chosen = heap[0][1]
    for _, node in heap:
        verdicts[node] = "chosen" if node == chosen else "more loaded"
    return Choice(chosen, verdicts)


def refusal(candidate: Candidate, need: Need) -> str | None:
    """Say why a node may not have the job; None where it may."""
    missing = {k: v for k, v in need.labels.items() if candidate.labels.get(k) != v}
    cpu, ram = candidate.expected
    reasons: Iterable[tuple[bool, str]] = (
        (not candidate.is_active, candidate.why_inactive or "not active"),
        (bool(missing), f"lacks {', '.join(f'{k}={v}' for k, v in missing.items())}"),
        (candidate.has_standalone, "reserved for a standalone job"),
        (need.is_standalone and candidate.jobs > 0, "not empty, and the job is standalone"),
        (need.cpus > candidate.cpus, f"has {candidate.cpus:g} CPUs, {need.cpus:g} asked"),
        (need.memory_bytes > candidate.memory_bytes, "has less memory than asked"),
        (candidate.is_sampled and is_over_ceiling(cpu, ram),
         f"over 90 %: CPU {cpu:.0%}, RAM {ram:.0%}"),
    )  # fmt: skip
    return next((text for holds, text in reasons if holds), None)


def debited(candidate: Candidate, need: Need) -> Candidate:
    """Return the node as it will look with the job on it, until the next sample tells."""
    return replace(
        candidate,
        debit_cpu=candidate.debit_cpu + need.cpus / max(candidate.cpus, 0.01),
        debit_ram=candidate.debit_ram + need.memory_bytes / max(candidate.memory_bytes, 1),
        jobs=candidate.jobs + 1,
        has_standalone=candidate.has_standalone or need.is_standalone,
    )


def load_of(candidate: Candidate) -> float:
    """Return the load a choice goes by."""
    return harmonic_mean(*candidate.expected)


def _rank(candidate: Candidate, need: Need) -> tuple[float, ...]:
    """Ordinals of one job set spread first, then load; unsampled nodes last, oldest use first."""
    if not candidate.is_sampled:
        return (candidate.siblings, 1.0, candidate.last_used, 0.0)
    with_job = debited(candidate, need)
    return (candidate.siblings, 0.0, load_of(with_job), candidate.last_used)
