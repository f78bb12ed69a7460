"""Wires the deployment manager: ``python3 -m deployment_manager``."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial

from common.bus import Bus, Producer
from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.db.clock import DisciplinedClock, database_now
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.errors import Retryable
from common.heartbeat import HeartbeatMonitor
from common.lifecycle import Context, Loop, Service, every, forever, run
from common.messages import JOB_COMMANDS, NODE_EVENTS, NODE_HEARTBEATS, NODE_LOADS, NODES
from deployment_manager.reconcile import Reconciler
from deployment_manager.service import Deployer

GROUP = "deployment_manager"
STANDBY_S = 1.0
LOOK_AGAIN_S = 0.25
PING_S = 5.0
GC_THRESHOLDS = (50_000, 20, 100)
"""A burst makes many objects and no cycles: with Python's own thresholds a sixth of the time of
placing goes into looking for them (42 against 35 us a job)."""
COMMANDS_A_ROUND = 2000
"""A burst is placed in few transactions: a commit costs as much as a hundred rows."""


def build(context: Context) -> Service:
    """Put the deployment manager together; nothing is connected yet."""
    bus = KafkaBus(context.settings.kafka(), f"deployment_manager-{context.replica}")
    producer = bus.producer()
    database = MySqlDatabase(
        context.settings.mysql("rota_deployer"), load_queries("deployment_manager")
    )
    clock = DisciplinedClock(context.clock, partial(database_now, database))
    deployer = Deployer(database, producer, clock, context.replica)
    reconciler = Reconciler(deployer, clock)
    monitor = HeartbeatMonitor(bus, producer)
    receivers = _receivers(bus, producer, deployer, reconciler)

    def close() -> None:
        deployer.leave()
        for receiver in receivers.values():
            receiver.close()
        monitor.close()
        bus.close()
        database.close()

    return Service(
        loops=[
            every(2.0, "lead", partial(_lead, deployer, bus)),
            *_loops(deployer, reconciler, receivers, clock.is_trusted),
            every(5.0, "clock", clock.sync),
            monitor,
        ],
        checks={"mysql": database.ping, "kafka": partial(bus.ping, 3.0)},
        figures={
            "leads": lambda: float(deployer.is_leading),
            "live": lambda: len(deployer.fleet.live),
            "nodes": lambda: len(deployer.fleet.nodes),
            "cordons": lambda: len(deployer.fleet.cordons),
        },
        close=close,
        producer=producer,
    )


def _receivers(
    bus: Bus, producer: Producer, deployer: Deployer, reconciler: Reconciler
) -> dict[str, Receiver]:
    """What is committed is read by the leader alone; the rest by every replica, from the start."""
    return {
        "commands": Receiver(
            bus, producer, GROUP, JOB_COMMANDS, deployer.receive_commands, COMMANDS_A_ROUND
        ),
        "containers": Receiver(bus, producer, GROUP, NODE_EVENTS, reconciler.receive_containers),
        "heartbeats": Receiver(
            bus, producer, GROUP, NODE_HEARTBEATS, reconciler.receive_heartbeats
        ),
        "nodes": Receiver(bus, producer, None, NODES, reconciler.receive_nodes),
        "loads": Receiver(bus, producer, None, NODE_LOADS, reconciler.receive_loads),
    }


def _lead(deployer: Deployer, bus: Bus) -> float | None:
    """Lead only while Kafka answers: cut off from it, another replica may do better."""
    try:
        bus.ping(PING_S)
    except Retryable:
        deployer.leave()
        raise
    return None if deployer.lead() else STANDBY_S


def _loops(
    deployer: Deployer,
    reconciler: Reconciler,
    receivers: dict[str, Receiver],
    is_trusted: Callable[[], bool],
) -> list[Loop]:
    def is_informed() -> bool:
        """A restart first learns the time, which nodes there are and how loaded they are."""
        has_read = all(receivers[name].caught_up() for name in ("nodes", "loads"))
        return deployer.is_leading and has_read and is_trusted()

    led = partial(_while, is_informed)
    return [
        *(every(0.0, name, led(receivers[name].run_once))
          for name in ("commands", "containers", "heartbeats")),
        *(forever(name, receivers[name].run_once, receivers[name].wake)
          for name in ("nodes", "loads")),
        every(1.0, "pending", led(deployer.place_pending)),
        every(1.0, "sweep", led(deployer.sweep)),
        every(2.0, "settle", led(reconciler.settle)),
        every(60.0, "forget", led(deployer.forget_ended)),
    ]  # fmt: skip


def _while(
    condition: Callable[[], bool], function: Callable[[], object]
) -> Callable[[], float | None]:
    """Let a function run while a condition holds, and else look again soon."""

    def run_once() -> float | None:
        if not condition():
            return LOOK_AGAIN_S
        function()
        return None

    return run_once


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.exit(run("deployment_manager", build))
