"""Start commands on their way to Kafka: handed over, and not known to be there yet.

Waiting for each to arrive would make the next ones late whenever the broker is slow, so they are
only asked after; who is waited for is the oldest, and only where very many are on their way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from common.bus import Pending
from common.clock import Clock
from common.failpoints import failpoint
from scheduler.ready import Command

MOST_ALOFT = 8_000
"""So many commands may be on their way; before more go, Kafka must have some of them."""

SEND_TIMEOUT_S = 10.0


class _Flight(NamedTuple):
    """Commands handed over together, and when by the monotonic clock."""

    commands: Sequence[Command]
    pending: Pending
    since: float


@dataclass
class Flights:
    """Oldest first. The caller holds the outbox's lock for sending."""

    clock: Clock
    on_landed: Callable[[Sequence[Command]], None]
    _flights: deque[_Flight] = field(default_factory=deque)
    _aloft: int = 0

    def __len__(self) -> int:
        return self._aloft

    def add(self, commands: Sequence[Command], pending: Pending) -> None:
        self._flights.append(_Flight(commands, pending, self.clock.monotonic()))
        self._aloft += len(commands)

    def land(self, most_left: int = MOST_ALOFT) -> None:
        """Note what has arrived; wait only while more than so many are on their way.

        Raises what `Pending.wait` does; what did not arrive is still among them.
        """
        while self._flights:
            flight, must_wait = self._flights[0], self._aloft > most_left
            if not must_wait and not self._is_over(flight):
                return
            flight.pending.wait(SEND_TIMEOUT_S if must_wait else 0.0)
            failpoint("scheduler.after_publish")
            self._flights.popleft()
            self._aloft -= len(flight.commands)
            self.on_landed(flight.commands)

    def clear(self) -> None:
        self._flights.clear()
        self._aloft = 0

    def _is_over(self, flight: _Flight) -> bool:
        """Tell whether what became of it is known, or should be by now."""
        return (
            flight.pending.is_over() or self.clock.monotonic() - flight.since > SEND_TIMEOUT_S
        )
