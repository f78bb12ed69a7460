"""Whether this machine holds its node's name, as the registry tells on the topic `nodes`.

Two machines that were given one name read one topic of commands: without this, each would run
every job. The node manager decides who holds the name; the other one takes no commands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import StrEnum

from common.bus.receive import Received
from common.clock import Clock
from common.errors import Retryable
from common.logs import logger
from common.messages import NodeChanged

SETTLED_WITHIN_S = 30.0
"""After a boot the registry must name it first; when it is silent for so long, it is away."""

_log = logger("client.standing")


class StandingUnknownError(Retryable):
    """The registry has not said yet whether this machine holds its node's name."""


class Standing(StrEnum):
    """What the registry says of this machine."""

    HOLDER = "holder"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class NameRegister:
    """Listens to what is told of our own node. Safe to share between threads.

    A name of which nothing is told is free. One that is told of another boot or address is ours
    only once the registry says so; what it said last holds while it is away.
    """

    def __init__(self, node_id: str, boot_id: str, address: str, clock: Clock) -> None:
        self._node_id = node_id
        self._us = (boot_id, address)
        self._clock = clock
        self._began = clock.monotonic()
        self._lock = threading.Lock()
        self._told: NodeChanged | None = None
        self._is_caught_up: Callable[[], bool] = lambda: True
        self._on_change: Callable[[], None] = lambda: None

    def follow(self, is_caught_up: Callable[[], bool], on_change: Callable[[], None]) -> None:
        """Say how to know that all there is was heard, and whom to tell of a change."""
        self._is_caught_up = is_caught_up
        self._on_change = on_change

    def hear(self, batch: Sequence[Received]) -> None:
        """Take what the registry tells; the handler of a receiver."""
        before = self.standing()
        for received in batch:
            told = received.message
            if isinstance(told, NodeChanged) and told.node_id == self._node_id:
                self._keep(told)
        after = self.standing()
        if after is not before:
            _log.warning("standing_changed", before=before.value, now=after.value)
            self._on_change()

    def standing(self) -> Standing:
        """Return where we stand now."""
        with self._lock:
            told = self._told
        if told is not None and (told.boot_id, told.address) == self._us:
            return Standing.HOLDER
        is_settled = self._clock.monotonic() - self._began >= SETTLED_WITHIN_S
        if not is_settled and (told is not None or not self._is_caught_up()):
            return Standing.UNKNOWN
        return Standing.HOLDER if told is None else Standing.REFUSED

    def error(self) -> str | None:
        """Say why this machine gets no jobs, if it does not hold its name."""
        match self.standing():
            case Standing.HOLDER:
                return None
            case Standing.UNKNOWN:
                return "waiting for the node manager to name this boot"
            case Standing.REFUSED:
                with self._lock:
                    holder = self._told.address if self._told else "?"
                return f"the machine at {holder} holds the name {self._node_id}"

    def has_clock_complaint(self) -> bool:
        """Tell whether the registry finds our clock wrong."""
        with self._lock:
            return self._told is not None and "its clock is" in (self._told.reason or "")

    def _keep(self, told: NodeChanged) -> None:
        with self._lock:
            if self._told is None or told.revision >= self._told.revision:
                self._told = told
