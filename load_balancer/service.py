"""The load balancer's service: it samples every active node and publishes how loaded each is.

The choice among nodes is not made here but in the deployment manager, with `domain.pool`. What is
published is the last sample alone; the application manager keeps an hour of them for its charts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from common.bus import Producer
from common.bus.receive import Received
from common.clock import Clock
from common.errors import ConfigError, Retryable
from common.logs import logger
from common.machines import Machine, read_machines
from common.messages import NODE_LOADS, NodeChanged, NodeLoad, NodeState, encode
from load_balancer.sampler import MachineSampler, Probe, Sample

SWEEP_S = 2.0
SAY_AGAIN_S = 10.0
_SAMPLED = {NodeState.ACTIVE, NodeState.SUSPECT, NodeState.DRAINING}

_log = logger("load_balancer")
MakeProbe = Callable[[Machine], Probe]


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
        self, machines: MachineMap, make_probe: MakeProbe, producer: Producer, clock: Clock
    ) -> None:
        self._machines = machines
        self._make_probe = make_probe
        self._producer = producer
        self._clock = clock
        self._samplers: dict[Machine, MachineSampler] = {}
        self._nodes: dict[str, NodeState] = {}
        self._said: dict[str, tuple[str | None, float]] = {}  # the last error told, and when
        self._lock = threading.Lock()

    def receive(self, batch: Sequence[Received]) -> None:
        """Learn which nodes there are."""
        changed = {
            received.message.node_id: received.message.state
            for received in batch
            if isinstance(received.message, NodeChanged)
        }
        with self._lock:
            self._nodes = {**self._nodes, **changed}

    def sweep(self) -> float:
        """Ask all nodes side by side; return the pause until the next time.

        Each sample is published as it comes, by its machine's thread: nobody waits for another.
        """
        began = self._clock.monotonic()
        self._match_samplers()
        for machine, sampler in self._samplers.items():
            if sampler.break_off():
                _log.warning("sample_hangs", node_id=machine.name)
            sampler.ask()
        return max(0.1, SWEEP_S - (self._clock.monotonic() - began))

    def figures(self) -> dict[str, Callable[[], float]]:
        """Numbers for the heartbeat."""
        return {
            "nodes": lambda: len(self._samplers),
            "silent_nodes": lambda: sum(1 for error, _ in self._said.values() if error),
        }

    def close(self) -> None:
        for sampler in self._samplers.values():
            sampler.stop()

    def _match_samplers(self) -> None:
        """Keep one sampler for each known node; a changed address or key is a new sampler."""
        known = self._machines.machines()
        nodes = self._nodes
        names = [name for name, state in nodes.items() if state in _SAMPLED]
        wanted = {known[name] for name in names if name in known}
        for machine in self._samplers.keys() - wanted:
            self._samplers.pop(machine).stop()
            self._said.pop(machine.name, None)
        for machine in wanted - self._samplers.keys():
            self._samplers[machine] = MachineSampler(
                machine.name, self._make_probe(machine), self._clock, self._report
            )

    def _report(self, name: str, sample: Sample) -> None:
        """Publish a sample; an error only when it is news, or was not said for 10 s."""
        now = self._clock.monotonic()
        with self._lock:
            said, at = self._said.get(name, (None, 0.0))
            if sample.error is not None and sample.error == said and now - at < SAY_AGAIN_S:
                return
            self._said[name] = (sample.error, now)
        load = NodeLoad(
            node_id=name, time=self._clock.now(), sampled_at=sample.at, cpu=sample.cpu,
            ram=sample.ram, load=sample.load, error=sample.error,
        )  # fmt: skip
        try:
            self._producer.send(NODE_LOADS, name, encode(load))
        except Retryable as error:
            _log.warning("load_not_published", node_id=name, error=str(error))
