"""The load balancer's service: it samples every active node and publishes how loaded each is.

The choice among nodes is not made here but in the deployment manager, with `domain.ranking`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from common.bus import Producer
from common.bus.receive import Received
from common.clock import Clock
from common.errors import ConfigError
from common.logs import logger
from common.machines import Machine, read_machines
from common.messages import NODE_LOADS, NodeChanged, NodeLoad, NodeState, encode
from load_balancer.sampler import MachineSampler, Probe, Sample

SWEEP_S = 2.0
WAIT_S = 1.8
_SAMPLED = {NodeState.ACTIVE, NodeState.SUSPECT, NodeState.DRAINING}

_log = logger("load_balancer")


class MachineMap:
    """The machines' map on disk, read again when it changes. Owned by one thread."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._stamp: tuple[int, int] | None = None
        self._machines: dict[str, Machine] = {}

    def machines(self) -> dict[str, Machine]:
        """Return the map as it stands; the last good one while the file is missing or broken."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._machines = read_machines(self._path.read_text(encoding="utf-8"))
                self._stamp = stamp
        except (OSError, ConfigError) as error:
            _log.warning("machines_not_read", path=str(self._path), error=str(error))
        return self._machines


class Balancer:
    """Keeps a sampler for each node. `sweep` belongs to one thread, `receive` to another."""

    def __init__(
        self,
        machines: MachineMap,
        make_probe: Callable[[Machine], Probe],
        producer: Producer,
        clock: Clock,
    ) -> None:
        self._machines = machines
        self._make_probe = make_probe
        self._producer = producer
        self._clock = clock
        self._samplers: dict[Machine, MachineSampler] = {}
        self._nodes: dict[str, NodeState] = {}
        self._reported: dict[str, Sample] = {}
        self._change = threading.Condition()

    def receive(self, batch: Sequence[Received]) -> None:
        """Learn which nodes there are."""
        for received in batch:
            if isinstance(received.message, NodeChanged):
                self._nodes[received.message.node_id] = received.message.state

    def sweep(self) -> None:
        """Sample all nodes side by side and publish what came back in time."""
        self._match_samplers()
        with self._change:
            self._reported = {}
        for sampler in self._samplers.values():
            sampler.ask()
        wanted = len(self._samplers)
        with self._change:
            self._change.wait_for(lambda: len(self._reported) >= wanted, WAIT_S)
            samples = dict(self._reported)
        for machine in self._samplers:
            self._publish(machine.name, samples.get(machine.name))

    def figures(self) -> dict[str, Callable[[], float]]:
        """Numbers for the heartbeat."""
        return {
            "nodes": lambda: len(self._samplers),
            "silent_nodes": lambda: sum(1 for s in self._reported.values() if s.error),
        }

    def close(self) -> None:
        for sampler in self._samplers.values():
            sampler.stop()

    def _match_samplers(self) -> None:
        """Keep one sampler for each known node; a changed address or key is a new sampler."""
        known = self._machines.machines()
        names = [name for name, state in self._nodes.items() if state in _SAMPLED]
        wanted = {known[name] for name in names if name in known}
        for machine in self._samplers.keys() - wanted:
            self._samplers.pop(machine).stop()
        for machine in wanted - self._samplers.keys():
            self._samplers[machine] = MachineSampler(
                machine.name, self._make_probe(machine), self._clock, self._report
            )

    def _report(self, name: str, sample: Sample) -> None:
        with self._change:
            self._reported[name] = sample
            self._change.notify_all()

    def _publish(self, name: str, sample: Sample | None) -> None:
        sample = sample or Sample(self._clock.now(), error="no answer in time")
        load = NodeLoad(
            node_id=name, time=self._clock.now(), sampled_at=sample.at, cpu=sample.cpu,
            ram=sample.ram, load=sample.load, error=sample.error,
        )  # fmt: skip
        self._producer.send(NODE_LOADS, name, encode(load))
