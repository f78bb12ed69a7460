"""What is known only from Kafka: nodes' loads and the services' heartbeats, kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import Any

from common.bus.receive import Received
from common.heartbeat import HeartbeatMonitor
from common.messages import NodeLoad

SILENT_AFTER_S = 15.0


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


def list_services(monitor: HeartbeatMonitor, now: datetime) -> list[dict[str, Any]]:
    """List services, replica by replica; `ok`, `unwell` or `silent`."""
    found = []
    for beat, age_s in monitor.services(now):
        wrong = {name: said for name, said in beat.health.items() if said != "ok"}
        state = "silent" if age_s > SILENT_AFTER_S else "unwell" if wrong else "ok"
        found.append({
            "key": f"{beat.service}/{beat.replica}", "service": beat.service,
            "replica": beat.replica, "state": state, "host": beat.host, "build": beat.build,
            "started_at": beat.started_at, "age_s": round(age_s, 1),
            "health": dict(beat.health), "figures": dict(beat.figures),
        })  # fmt: skip
    return found
