"""What the list of services tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from application_manager.live import list_services
from common.bus import Partition, Record
from common.bus.memory import MemoryBus
from common.bus.receive import Received
from common.heartbeat import HeartbeatMonitor
from common.messages import SERVICE_HEARTBEATS, ServiceHeartbeat, fixed_topics
from tests.support.scheduler_world import NOON


@pytest.mark.parametrize(("imbalance", "state", "health"), [
    (0.0, "ok", {"mysql": "ok"}),
    (3.0, "unwell", {"mysql": "ok", "ledger": "3 due times and rows differ"}),
])  # fmt: skip
def test_a_scheduler_whose_ledger_does_not_balance_is_unwell(
    imbalance: float, state: str, health: dict[str, str]
) -> None:
    bus = MemoryBus()
    bus.create_topics(fixed_topics())
    monitor = HeartbeatMonitor(bus, bus.producer())
    beat = ServiceHeartbeat(
        service="scheduler", replica="one", host="h", build="b", started_at=NOON,
        health={"mysql": "ok"}, figures={"ledger_imbalance": imbalance},
    )  # fmt: skip
    at_ms = int(NOON.timestamp() * 1000)
    record = Record(Partition(SERVICE_HEARTBEATS, 0), 0, None, b"", at_ms)
    monitor.receive([Received(beat, record)])
    (told,) = list_services(monitor, NOON + timedelta(seconds=1))
    assert (told["state"], told["health"]) == (state, health)
