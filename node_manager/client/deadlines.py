"""When to look at which attempt next: the client's own timers, independent of everything else.

What is then done is decided in `domain.decide`.
"""

from __future__ import annotations

import threading
from datetime import datetime
from enum import IntEnum

from common.clock import Clock
from node_manager.client.domain.attempt import Key

LONGEST_WAIT_S = 0.25
"""The wall clock may jump while a thread waits, so it looks at least this often."""


class Lane(IntEnum):
    """Stops and deadlines must not queue behind a burst of starts."""

    URGENT = 0
    NORMAL = 1
    AHEAD = 2  # what is got ready for later: any start goes first


class Deadlines:
    """Attempts by the instant at which they are due; one attempt is never at two workers.

    Shared by all workers of a client; its lock guards everything in it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._due: dict[Key, tuple[datetime, Lane]] = {}
        self._busy: set[Key] = set()
        self._is_closed = False

    def put(self, key: Key, at: datetime, lane: Lane) -> None:
        """Look at `key` at `at` the latest; the sooner and the more urgent of two wins."""
        with self._changed:
            old = self._due.get(key)
            self._due[key] = (at, lane) if old is None else (min(at, old[0]), min(lane, old[1]))
            self._changed.notify_all()

    def take(self, lane: Lane, timeout_s: float) -> Key | None:
        """Return the next attempt that is due in `lane` or a more urgent one, and mark it taken.

        None after `timeout_s`, or when closed. The caller gives it back by `done`.
        """
        until = self._clock.monotonic() + timeout_s
        with self._changed:
            while not self._is_closed:
                now = self._clock.now()
                key, next_at = self._next(lane, now)
                if key is not None:
                    del self._due[key]
                    self._busy.add(key)
                    return key
                left = until - self._clock.monotonic()
                if left <= 0:
                    return None
                if next_at is not None:
                    left = min(left, (next_at - now).total_seconds())
                self._changed.wait(min(left, LONGEST_WAIT_S))
            return None

    def done(self, key: Key) -> None:
        """Give an attempt back."""
        with self._changed:
            self._busy.discard(key)
            self._changed.notify_all()

    def next_at(self) -> datetime | None:
        """Return when the next attempt is due (for tests that move the clock)."""
        with self._changed:
            return min((at for at, _ in self._due.values()), default=None)

    def close(self) -> None:
        """Let every waiting worker go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _next(self, lane: Lane, now: datetime) -> tuple[Key | None, datetime | None]:
        """Return the due attempt to take, or when the next one is due."""
        free = [
            (own_lane, at, key)
            for key, (at, own_lane) in self._due.items()
            if own_lane <= lane and key not in self._busy
        ]
        ready = [entry for entry in free if entry[1] <= now]
        if ready:
            return min(ready)[2], None
        return None, min((at for _, at, _ in free), default=None)
