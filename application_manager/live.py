"""What is known only from Kafka: nodes' loads and the services' heartbeats, kept in memory."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from common.bus.receive import Received
from common.heartbeat import HeartbeatMonitor
from common.messages import NodeLoad

SILENT_AFTER_S = 15.0
HISTORY_STEP = timedelta(seconds=10)
HISTORY_POINTS = 360  # an hour of each node: 500 nodes hold 180,000 points


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of a node's chart; both None where it could not be sampled."""

    at: datetime
    cpu: float | None
    ram: float | None


class Loads:
    """The last sample of each node, and its last hour. Written by its receiver's thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._past: defaultdict[str, deque[Sample]] = defaultdict(
            lambda: deque(maxlen=HISTORY_POINTS)
        )
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
                    self._remember(message)

    def of(self, node_id: str) -> NodeLoad | None:
        """Return a node's last sample."""
        with self._lock:
            return self._last.get(node_id)

    def history(self, node_id: str) -> list[Sample]:
        """Return a node's samples of the last hour, oldest first, one every 10 s."""
        with self._lock:
            return list(self._past.get(node_id, ()))

    def _remember(self, load: NodeLoad) -> None:
        past = self._past[load.node_id]
        if not past or load.sampled_at - past[-1].at >= HISTORY_STEP:
            past.append(Sample(load.sampled_at, load.cpu, load.ram))


def list_services(monitor: HeartbeatMonitor, now: datetime) -> list[dict[str, Any]]:
    """List services, replica by replica; `ok`, `unwell` or `silent`."""
    found = []
    for beat, age_s in monitor.services(now):
        health = dict(beat.health)
        if beat.figures.get("ledger_imbalance"):
            health["ledger"] = f"{beat.figures['ledger_imbalance']:g} due times and rows differ"
        wrong = {name: said for name, said in health.items() if said != "ok"}
        state = "silent" if age_s > SILENT_AFTER_S else "unwell" if wrong else "ok"
        found.append({
            "key": f"{beat.service}/{beat.replica}", "service": beat.service,
            "replica": beat.replica, "state": state, "host": beat.host, "build": beat.build,
            "started_at": beat.started_at, "age_s": round(age_s, 1),
            "health": health, "figures": dict(beat.figures),
        })  # fmt: skip
    return found
