"""Wires the node manager: ``python3 -m node_manager``."""

from __future__ import annotations

import sys
from functools import partial

from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.config import Settings
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.lifecycle import Context, Service, every, forever, run
from common.machines import read_machines
from common.messages import NODE_HEARTBEATS, NodeState
from node_manager.probe import NoProber, SshProber
from node_manager.service import Doors, Prober, Registry
from node_manager.store import MySqlNodeStore

PROBE_EVERY_S = 3.0
GROUP = "node-manager"


def build(context: Context) -> Service:
    """Make the node manager from its settings; Kafka and MySQL may come up later."""
    settings = context.settings
    bus = KafkaBus(settings.kafka(), f"node-manager-{context.replica}")
    producer = bus.producer()
    database = MySqlDatabase(settings.mysql("rota_nodes"), load_queries("node_manager"))
    registry = Registry(
        Doors(MySqlNodeStore(database), bus, producer, context.clock), _prober(settings)
    )
    receiver = Receiver(bus, producer, GROUP, NODE_HEARTBEATS, registry.hear)

    def close() -> None:
        receiver.close()
        producer.close()
        bus.close()
        database.close()

    return Service(
        loops=[
            forever("registry", partial(registry.run_once, receiver), receiver.wake),
            every(PROBE_EVERY_S, "probe", registry.probe_once),
        ],
        checks={"mysql": database.ping, "kafka": lambda: bus.ping(5.0), "fleet": registry.frozen},
        figures={
            f"nodes_{state.lower()}": partial(_count, registry, state) for state in NodeState
        },
        close=close,
        producer=producer,
    )


def _count(registry: Registry, state: NodeState) -> float:
    return registry.figures()[state]


def _prober(settings: Settings) -> Prober:
    """Probe by SSH where the machines' map is given; otherwise silence alone decides."""
    text = settings.optional("NODE_MANAGER_MACHINES")  # ROTA_NODE_MANAGER_MACHINES_FILE
    if text is None:
        return NoProber()
    from common.ssh.paramiko_door import ParamikoDoor  # a platform without probes needs no SSH

    return SshProber(ParamikoDoor(), read_machines(text))


if __name__ == "__main__":
    sys.exit(run("node_manager", build))
