"""What is known only from Kafka: nodes' loads and the services' heartbeats, kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from common.bus.receive import Received
from common.messages import NodeLoad


class Loads:
    """The last sample of each node. Written by its receiver's thread, read by any."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: dict[str, NodeLoad] = {}

    def receive(self, batch: Sequence[Received]) -> None:
        """Take samples in; an older one never replaces a newer."""
        with self._lock:
            for received in batch:
                message = received.message
                if not isinstance(message, NodeLoad):
                    continue
                known = self._last.get(message.node_id)
                if known is None or known.sampled_at <= message.sampled_at:
                    self._last[message.node_id] = message

    def of(self, node_id: str) -> NodeLoad | None:
        """Return a node's last sample."""
        with self._lock:
            return self._last.get(node_id)
