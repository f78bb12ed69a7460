"""All nodes in order of load, as heaps, so that a choice among 10,000 costs microseconds. Pure.

One heap for each kind of job seen: labels asked, standalone or shared. An entry is valid while its
number is its node's latest; who changes a node must `touch` it, which pushes a new one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from common.labels import LabelRule, suits
from load_balancer.domain.ranking import (
    NO_WISH,
    Candidate,
    Need,
    Wish,
    closed,
    rank,
    refusal,
    unfit,
)

MOST_HEAPS = 32
Entry = tuple[float, float, int, str]
_NO_LABELS: frozenset[tuple[str, LabelRule]] = frozenset()
Kind = tuple[bool, frozenset[tuple[str, LabelRule]]]


class Pool:
    """The nodes to choose from. Owned by one thread, or by whoever holds its owner's lock."""

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self.candidates: dict[str, Candidate] = {}
        self._numbers: dict[str, int] = {}
        self._heaps: dict[Kind, list[Entry]] = {}
        self._count = 0
        for candidate in candidates:
            self.put(candidate)

    def put(self, candidate: Candidate) -> None:
        """Add a node, or replace it."""
        self.candidates[candidate.node] = candidate
        self.touch(candidate)

    def drop(self, node: str) -> None:
        """Forget a node."""
        self.candidates.pop(node, None)
        self._numbers.pop(node, None)

    def touch(self, candidate: Candidate) -> None:
        """Rank a node anew, after any change to it."""
        self._count += 1
        self._numbers[candidate.node] = self._count
        if closed(candidate) is not None:
            return  # its entries are void; the change that opens it comes by here
        entry = (*rank(candidate), self._count, candidate.node)
        for kind, heap in self._heaps.items():
            if _is_of_kind(candidate, kind):
                heapq.heappush(heap, entry)

    def pick(self, need: Need, wish: Wish = NO_WISH) -> Candidate | None:
        """Return the least loaded node that may have the job; it is not debited.

        Nodes without a sibling of the job come first, the one to be avoided last.
        """
        heap = self._heap_of(need)
        aside: list[Entry] = []
        best: tuple[tuple[bool, int], Candidate] | None = None
        while heap:
            entry = heap[0]
            candidate = self._valid(entry)
            if candidate is None:
                heapq.heappop(heap)
                continue
            node = candidate.node
            burden = (node == wish.avoid, wish.siblings.get(node, 0))
            if unfit(candidate, need) is None and (best is None or burden < best[0]):
                best = (burden, candidate)
                if burden == (False, 0):
                    break
            aside.append(heapq.heappop(heap))
        for entry in aside:
            heapq.heappush(heap, entry)
        return best[1] if best else None

    def runners_up(self, need: Need) -> list[tuple[Candidate, float]]:
        """Return the two that a heap has next to its first, with their loads, to be told of."""
        found = [(self._valid(entry), entry[0]) for entry in self._heap_of(need)[1:3]]
        return [(one, load) for one, load in found if one is not None]

    def refusals(self, need: Need) -> Iterator[tuple[str, str]]:
        """Yield each node that may not have the job, and why."""
        for node, candidate in self.candidates.items():
            why_not = refusal(candidate, need)
            if why_not is not None:
                yield node, why_not

    def _valid(self, entry: Entry) -> Candidate | None:
        _, _, number, node = entry
        return self.candidates[node] if self._numbers.get(node) == number else None

    def _heap_of(self, need: Need) -> list[Entry]:
        labels = frozenset(need.labels.items()) if need.labels else _NO_LABELS
        kind = (need.is_standalone, labels)
        heap = self._heaps.get(kind)
        if heap is None or len(heap) > 4 * len(self.candidates) + 64:
            if heap is None and len(self._heaps) >= MOST_HEAPS:
                del self._heaps[next(iter(self._heaps))]
            heap = [
                (*rank(candidate), self._numbers[node], node)
                for node, candidate in self.candidates.items()
                if _is_of_kind(candidate, kind) and closed(candidate) is None
            ]
            heapq.heapify(heap)
            self._heaps[kind] = heap
        return heap


def _is_of_kind(candidate: Candidate, kind: Kind) -> bool:
    is_standalone, labels = kind
    if is_standalone and candidate.jobs > 0:
        return False
    return not labels or all(suits(rule, candidate.labels.get(name)) for name, rule in labels)
