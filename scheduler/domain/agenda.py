"""The heap: the next due time of each schedule and the stop times of live jobs.

A cache of the database, rebuilt at start. Order: time, then KILL before START, then high priority
first, then id (schedule.md, 4). An entry that was moved or taken away stays in the heap until it
comes up and is then passed over.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple


class Act(IntEnum):
    """What is to be done; its number is its rank among things due at one instant."""

    KILL = 0
    START = 1


class Entry(NamedTuple):
    """One thing to do. Sorts as the heap does."""

    at: datetime
    act: Act
    rank: int  # minus the priority
    key: str  # a job id to kill, an instance id to start


@dataclass
class Agenda:
    """A heap with replaceable entries. Owned by one thread (guard it outside for more)."""

    _heap: list[Entry] = field(default_factory=list)
    _live: dict[tuple[Act, str], Entry] = field(default_factory=dict)

    def put(self, at: datetime, act: Act, key: str, priority: int = 50) -> None:
        """Add or move an entry."""
        entry = Entry(at, act, -priority, key)
        if self._live.get((act, key)) != entry:
            self._live[act, key] = entry
            heapq.heappush(self._heap, entry)

    def drop(self, act: Act, key: str) -> None:
        """Take an entry away; absent is fine."""
        self._live.pop((act, key), None)

    def next_at(self) -> datetime | None:
        """Return when the next entry is due."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0].at if self._heap else None

    def take_due(self, now: datetime, limit: int) -> list[Entry]:
        """Take what is due by `now` off the heap, in order, at most `limit`."""
        taken: list[Entry] = []
        while len(taken) < limit and self._heap and self._heap[0].at <= now:
            entry = heapq.heappop(self._heap)
            if self._is_live(entry):
                del self._live[entry.act, entry.key]
                taken.append(entry)
        return taken

    def clear(self) -> None:
        self._heap.clear()
        self._live.clear()

    def __len__(self) -> int:
        return len(self._live)

    def _is_live(self, entry: Entry) -> bool:
        return self._live.get((entry.act, entry.key)) == entry
