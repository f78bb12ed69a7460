"""The heap: due times of schedules and stop times of live jobs.

A cache of the database, rebuilt at start. Order: time, then KILL before START, then high priority
first, then id (schedule.md, 4). An entry that was moved or taken away stays in the heap until it
comes up and is then passed over.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HIGHEST_PRIORITY = 100


class Act(IntEnum):
    """What is to be done; its number is its rank among things due at one instant."""

    KILL = 0
    START = 1


class Entry(NamedTuple):
    """One thing to do."""

    at: datetime
    act: Act
    key: str  # a job id to kill, an instance id to start
    priority: int


@dataclass
class Agenda:
    """A heap with replaceable entries. Owned by one thread (guard it outside for more).

    Time, act and priority are packed into one integer, so that the heap compares one number.
    """

    _heap: list[tuple[int, str]] = field(default_factory=list)
    _live: tuple[dict[str, int], dict[str, int]] = field(default_factory=lambda: ({}, {}))

    def put(self, at: datetime, act: Act, key: str, priority: int = 50) -> None:
        """Add or move an entry."""
        rank = _pack(at, act, priority)
        live = self._live[act]
        if live.get(key) != rank:
            live[key] = rank
            heapq.heappush(self._heap, (rank, key))

    def drop(self, act: Act, key: str) -> None:
        """Take an entry away; absent is fine."""
        self._live[act].pop(key, None)

    def next_at(self) -> datetime | None:
        """Return when the next entry is due."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        return _unpack(self._heap[0]).at if self._heap else None

    def take_due(self, now: datetime, limit: int) -> list[Entry]:
        """Take what is due by `now` off the heap, in order, at most `limit`."""
        taken: list[Entry] = []
        bound = _pack(now + _MICROSECOND, Act.KILL, _HIGHEST_PRIORITY)
        while len(taken) < limit and self._heap and self._heap[0][0] < bound:
            packed = heapq.heappop(self._heap)
            if self._is_live(packed):
                entry = _unpack(packed)
                del self._live[entry.act][entry.key]
                taken.append(entry)
        return taken

    def clear(self) -> None:
        self._heap.clear()
        for live in self._live:
            live.clear()

    def __len__(self) -> int:
        return sum(len(live) for live in self._live)

    def _is_live(self, packed: tuple[int, str]) -> bool:
        rank, key = packed
        return self._live[(rank >> 7) & 1].get(key) == rank


def _pack(at: datetime, act: Act, priority: int) -> int:
    """Return time in microseconds (from bit 8), act (bit 7), and 100 - priority (bits 0 to 6)."""
    return ((at - _EPOCH) // _MICROSECOND << 8) | act << 7 | (_HIGHEST_PRIORITY - priority)


def _unpack(packed: tuple[int, str]) -> Entry:
    rank, key = packed
    at = _EPOCH + (rank >> 8) * _MICROSECOND
    return Entry(at, Act((rank >> 7) & 1), key, _HIGHEST_PRIORITY - (rank & 0x7F))
