"""Who of the platform's own processes is alive, as their heartbeats say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from common.bus import Bus, Producer
from common.bus.receive import Received, Receiver
from common.messages import SERVICE_HEARTBEATS, ServiceHeartbeat

FORGET_AFTER = timedelta(hours=1)


class _Heard(NamedTuple):
    heartbeat: ServiceHeartbeat
    at_ms: int


class HeartbeatMonitor:
    """Keeps the last heartbeat of each service and replica. A loop (`name`, `run_once`, `wake`).

    Ages are measured from the broker's append time, so that replayed heartbeats are as old as they
    are. Written by the loop's thread, read by any.
    """

    name = "heartbeats"

    def __init__(self, bus: Bus, producer: Producer) -> None:
        self._receiver = Receiver(bus, producer, None, SERVICE_HEARTBEATS, self.receive)
        self._heard: dict[tuple[str, str], _Heard] = {}
        self._lock = Lock()

    def run_once(self) -> float:
        self._receiver.run_once()
        return 0.0

    def wake(self) -> None:
        self._receiver.wake()

    def close(self) -> None:
        self._receiver.close()

    def receive(self, batch: Sequence[Received]) -> None:
        """Take heartbeats in; the handler of this monitor's own receiver."""
        with self._lock:
            for message, record in batch:
                if isinstance(message, ServiceHeartbeat):
                    key = (message.service, message.replica)
                    self._heard[key] = _Heard(message, record.timestamp_ms)

    def services(self, now: datetime) -> list[tuple[ServiceHeartbeat, float]]:
        """List the last heartbeat of each with its age in seconds, by service and replica."""
        now_ms = now.timestamp() * 1000
        with self._lock:
            ages = {key: max(0.0, (now_ms - heard.at_ms) / 1000)
                    for key, heard in self._heard.items()}  # fmt: skip
            for key, age_s in ages.items():
                if age_s > FORGET_AFTER.total_seconds():
                    del self._heard[key]
            return [(heard.heartbeat, ages[key]) for key, heard in sorted(self._heard.items())]
