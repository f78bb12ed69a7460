"""Wires the deployment manager: ``python3 -m deployment_manager``."""

from __future__ import annotations

import sys
from functools import partial

from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.db.clock import DisciplinedClock, database_now
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.heartbeat import HeartbeatMonitor
from common.lifecycle import Context, Service, every, forever, run
from common.messages import JOB_COMMANDS, NODE_EVENTS, NODE_HEARTBEATS, NODE_LOADS, NODES
from deployment_manager.reconcile import Reconciler
from deployment_manager.service import Deployer

GROUP = "deployment_manager"


def build(context: Context) -> Service:
    """Put the deployment manager together; nothing is connected yet."""
    bus = KafkaBus(context.settings.kafka(), f"deployment_manager-{context.replica}")
    producer = bus.producer()
    database = MySqlDatabase(
        context.settings.mysql("rota_deployer"), load_queries("deployment_manager")
    )
    clock = DisciplinedClock(context.clock, partial(database_now, database))
    deployer = Deployer(database, producer, clock)
    reconciler = Reconciler(deployer, clock)
    monitor = HeartbeatMonitor(bus, producer)
    receivers = {
        "commands": Receiver(bus, producer, GROUP, JOB_COMMANDS, deployer.receive_commands),
        "containers": Receiver(bus, producer, GROUP, NODE_EVENTS, reconciler.receive_containers),
        "heartbeats": Receiver(
            bus, producer, GROUP, NODE_HEARTBEATS, reconciler.receive_heartbeats
        ),
        "nodes": Receiver(bus, producer, None, NODES, reconciler.receive_nodes),
        "loads": Receiver(bus, producer, None, NODE_LOADS, reconciler.receive_loads),
    }

    def close() -> None:
        for receiver in receivers.values():
            receiver.close()
        monitor.close()
        bus.close()
        database.close()

    return Service(
        loops=[
            *(forever(name, r.run_once, r.wake) for name, r in receivers.items()),
            every(1.0, "pending", deployer.place_pending),
            every(1.0, "sweep", deployer.sweep),
            every(5.0, "clock", clock.sync),
            monitor,
        ],
        checks={"mysql": database.ping, "kafka": partial(bus.ping, 3.0)},
        figures={
            "live": lambda: len(deployer.fleet.live),
            "nodes": lambda: len(deployer.fleet.nodes),
        },
        close=close,
        producer=producer,
    )


if __name__ == "__main__":
    sys.exit(run("deployment_manager", build))
