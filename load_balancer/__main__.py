"""Wires the load balancer: ``python3 -m load_balancer``."""

from __future__ import annotations

import sys
from functools import partial

from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.lifecycle import Context, Service, every, forever, run
from common.machines import Machine
from common.messages import NODES
from common.ssh.paramiko_door import ParamikoDoor
from load_balancer.sampler import USER, LocalProbe, Probe, SshProbe, target_of
from load_balancer.service import SWEEP_S, Balancer, MachineMap


def build(context: Context) -> Service:
    """Put the load balancer together; nothing is connected yet."""
    settings = context.settings
    bus = KafkaBus(settings.kafka(), f"load_balancer-{context.replica}")
    producer = bus.producer()
    door = ParamikoDoor()
    proc = settings.text("LOAD_BALANCER_PROC", "/proc")
    key_file = settings.path("LOAD_BALANCER_KEY_FILE")
    user = settings.text("LOAD_BALANCER_USER", USER)

    def make_probe(machine: Machine) -> Probe:
        if machine.local:
            return LocalProbe(proc)
        return SshProbe(door, target_of(machine, user, key_file))

    machines = MachineMap(settings.path("LOAD_BALANCER_MACHINES_FILE"))
    balancer = Balancer(machines, make_probe, producer, context.clock)
    nodes = Receiver(bus, producer, None, NODES, balancer.receive)

    def close() -> None:
        balancer.close()
        nodes.close()
        bus.close()

    return Service(
        loops=[
            every(SWEEP_S, "sweep", balancer.sweep),
            forever("nodes", nodes.run_once, nodes.wake),
        ],
        checks={"kafka": partial(bus.ping, 3.0)},
        figures=balancer.figures(),
        close=close,
        producer=producer,
    )


if __name__ == "__main__":
    sys.exit(run("load_balancer", build))
