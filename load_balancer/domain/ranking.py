"""Which nodes may have a job, how they rank, and every verdict in words. Pure.

Used inside the deployment manager, of which the load balancer is a sub-component. Between two
samples every placement debits its node with what the job requests, so that a burst spreads. Many
nodes and many jobs at once are `pool`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.labels import LabelRule, rule_in_words, suits
from load_balancer.domain.load import CEILING, harmonic_mean

FRESH_S = 30.0
DEFAULT_CPUS = 0.1
DEFAULT_MEMORY_BYTES = 64 * 1024**2


@dataclass(slots=True)
class Candidate:
    """A node as it stands, mutable: owned by whoever holds the pool it is in.

    `cpu` and `ram` are the sample, None without one younger than 30 s; `debit_*` is what was placed
    since and does not show in it. All four are fractions of the node.
    """

    node: str
    cpus: float
    memory_bytes: int
    is_active: bool = True
    why_inactive: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu: float | None = None
    ram: float | None = None
    age_s: float | None = None
    debit_cpu: float = 0.0
    debit_ram: float = 0.0
    jobs: int = 0
    has_standalone: bool = False
    last_used: float = 0.0
    held_for: str | None = None

    @property
    def expected(self) -> tuple[float, float]:
        """CPU and RAM with what was placed here since the sample."""
        cpu, ram = (self.cpu or 0.0) + self.debit_cpu, (self.ram or 0.0) + self.debit_ram
        return min(cpu, 1.0), min(ram, 1.0)

    def debit(self, need: Need) -> None:
        """Count a job that is placed here, until a sample shows it."""
        self.debit_cpu += need.cpus / max(self.cpus, 0.01)
        self.debit_ram += need.memory_bytes / max(self.memory_bytes, 1)
        self.jobs += 1
        self.has_standalone = self.has_standalone or need.is_standalone


@dataclass(frozen=True, slots=True)
class Need:
    """What a job asks of its node."""

    is_standalone: bool = False
    labels: Mapping[str, LabelRule] = field(default_factory=dict)
    cpus: float = DEFAULT_CPUS
    memory_bytes: int = DEFAULT_MEMORY_BYTES


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job would rather have: no sibling of its set beside it, no node it was lost on."""

    siblings: Mapping[str, int] = field(default_factory=dict)
    avoid: str | None = None


NO_WISH = Wish()


def load_of(candidate: Candidate) -> float:
    """Return the load a choice goes by: the sample's and the debits'."""
    return harmonic_mean(*candidate.expected)


def closed(candidate: Candidate) -> str | None:
    """Say why a node takes no job at all at present; None where it takes some."""
    if not candidate.is_active:
        return candidate.why_inactive or "not active"
    if candidate.has_standalone:
        return "reserved for a standalone job"
    if candidate.held_for is not None:
        return f"held back for {candidate.held_for}, which needs a node of its own"
    if candidate.cpu is not None:
        if candidate.cpu + candidate.debit_cpu > CEILING:
            return f"over {CEILING:.0%} of its CPU"
        if (candidate.ram or 0.0) + candidate.debit_ram > CEILING:
            return f"over {CEILING:.0%} of its memory"
    return None


def unfit(candidate: Candidate, need: Need) -> str | None:
    """Say why a node does not suit this job, whatever its load; None where it does."""
    if need.labels:
        missing = [
            rule_in_words(name, rule)
            for name, rule in need.labels.items()
            if not suits(rule, candidate.labels.get(name))
        ]
        if missing:
            return f"lacks {', '.join(missing)}"
    if need.cpus > candidate.cpus:
        return f"has {candidate.cpus:g} CPUs, {need.cpus:g} asked"
    if need.memory_bytes > candidate.memory_bytes:
        return "has less memory than asked"
    if need.is_standalone and candidate.jobs > 0:
        return "not empty, and the job is standalone"
    return None


def refusal(candidate: Candidate, need: Need) -> str | None:
    """Say why a node may not have the job; None where it may."""
    return closed(candidate) or unfit(candidate, need)


def rank(candidate: Candidate) -> tuple[float, float]:
    """Order nodes: by load; those without a fresh sample last, least recently used first.

    Where CPU or RAM reads 0 the harmonic mean is 0 whatever the other is, so equals go by the sum,
    then by their last use.
    """
    if candidate.cpu is None:
        return 2.0, candidate.last_used
    cpu = candidate.cpu + candidate.debit_cpu
    ram = (candidate.ram or 0.0) + candidate.debit_ram
    load = 2 * cpu * ram / (cpu + ram) if cpu > 0 and ram > 0 else 0.0  # inlined: the hottest line
    return load, cpu + ram
