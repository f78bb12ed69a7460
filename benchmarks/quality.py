"""How evenly a burst is spread by several ways of choosing, all with samples two seconds old. Pure.

Simulated: nodes with some load of their own; jobs that come one after another and put exactly what
they request on their node for good. A sample is the truth of two seconds ago, taken every two
seconds. Told is max / mean of the nodes' true loads at the end.

- ours: the heap of `load_balancer.domain.pool`, debiting what was placed since the sample;
- two_choices: two nodes at random, the one that its sample shows less loaded;
- random: any node;
- online: the truth of this instant, jobs in the order they come, each to the least loaded. What
  fresh samples could reach at best with this rule; where ours equals it, no tuning of debits helps;
- offline: knows the whole future: all jobs at once, largest first, each to the truly least loaded.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from load_balancer.domain.load import harmonic_mean
from load_balancer.domain.pool import Pool
from load_balancer.domain.ranking import Candidate, Need

CPUS, MEMORY = 16.0, 64 * 1024**3
SAMPLE_EVERY_S = 2.0


@dataclass
class Node:
    """What is really there: base load and what was placed, fractions."""

    cpu: float
    ram: float
    sampled: tuple[float, float] = (0.0, 0.0)
    recent: list[tuple[float, Need]] = field(default_factory=list)

    @property
    def load(self) -> float:
        return harmonic_mean(self.cpu, self.ram)

    def take(self, need: Need) -> None:
        self.cpu += need.cpus / CPUS
        self.ram += need.memory_bytes / MEMORY


Choose = Callable[[Sequence[Node], Need, random.Random], Node]


def max_over_mean(count: int, jobs: int, way: str, seed: int = 1) -> float:
    """Simulate; `way` is ours, two_choices, random, online or offline."""
    rng = random.Random(seed)
    nodes = [Node(rng.uniform(0.02, 0.12), rng.uniform(0.05, 0.15)) for _ in range(count)]
    needs = [
        Need(cpus=rng.uniform(0.02, 0.3), memory_bytes=rng.randrange(64, 1024) * 1024**2)
        for _ in range(jobs)
    ]
    if way == "offline":
        _place_exactly(nodes, sorted(needs, key=_size_of, reverse=True))
    elif way == "online":
        _place_exactly(nodes, needs)
    elif way == "ours":
        _place_with_pool(nodes, needs)
    else:
        _place_by(_WAYS[way], nodes, needs, rng)
    loads = [node.load for node in nodes]
    return max(loads) / (sum(loads) / len(loads))


def _two_choices(nodes: Sequence[Node], _need: Need, rng: random.Random) -> Node:
    pair = rng.sample(range(len(nodes)), 2)
    return min((nodes[i] for i in pair), key=lambda node: harmonic_mean(*node.sampled))


def _random(nodes: Sequence[Node], _need: Need, rng: random.Random) -> Node:
    return rng.choice(nodes)


_WAYS: dict[str, Choose] = {"two_choices": _two_choices, "random": _random}


def _rounds(needs: Sequence[Need], seconds: float = 10.0) -> list[Sequence[Need]]:
    """Cut the jobs, which come evenly over ten seconds, at the samplings."""
    size = max(1, int(len(needs) * SAMPLE_EVERY_S / seconds))
    return [needs[start : start + size] for start in range(0, len(needs), size)]


def _place_by(
    choose: Choose, nodes: Sequence[Node], needs: Sequence[Need], rng: random.Random
) -> None:
    late = [(node.cpu, node.ram) for node in nodes]
    for batch in _rounds(needs):
        for node, sampled in zip(nodes, late, strict=True):
            node.sampled = sampled
        late = [(node.cpu, node.ram) for node in nodes]
        for need in batch:
            choose(nodes, need, rng).take(need)


def _place_with_pool(nodes: Sequence[Node], needs: Sequence[Need]) -> None:
    """As the deployment manager does: what a sample cannot show yet is debited."""
    pool = Pool(Candidate(str(number), CPUS, MEMORY) for number in range(len(nodes)))
    late = [(node.cpu, node.ram) for node in nodes]
    unseen: list[list[Need]] = [[] for _ in nodes]
    latest: list[list[Need]] = [[] for _ in nodes]
    for batch in _rounds(needs):
        for number in range(len(nodes)):
            candidate = Candidate(str(number), CPUS, MEMORY)
            candidate.cpu, candidate.ram = late[number]
            unseen[number], latest[number] = latest[number], []
            for need in unseen[number]:
                candidate.debit(need)
            pool.put(candidate)
        late = [(node.cpu, node.ram) for node in nodes]
        for need in batch:
            chosen = pool.pick(need)
            if chosen is None:
                raise RuntimeError("the fleet is full: the scenario is too small")
            number = int(chosen.node)
            chosen.debit(need)
            pool.touch(chosen)
            nodes[number].take(need)
            latest[number].append(need)


def _size_of(need: Need) -> float:
    return need.cpus / CPUS + need.memory_bytes / MEMORY


def _place_exactly(nodes: Sequence[Node], needs: Sequence[Need]) -> None:
    """Give each job, in this order, to the node that is truly the least loaded."""
    heap = [(node.load, number) for number, node in enumerate(nodes)]
    heapq.heapify(heap)
    for need in needs:
        _, number = heap[0]
        nodes[number].take(need)
        heapq.heapreplace(heap, (nodes[number].load, number))
