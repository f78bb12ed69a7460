"""Asks a silent client's machine whether it is alive, by its SSH port.

Only the key exchange: the machine shows its host key, nothing is authenticated or sent. A changed
host key is not the machine we know, so it counts as silent.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from common.errors import Permanent, Retryable
from common.logs import logger
from common.machines import Machine
from common.ssh import SshDoor
from node_manager.domain.node import Probe

PROBE_TIMEOUT_S = 5.0
PROBES_AT_ONCE = 16

_log = logger("node_manager.probe")


@dataclass(frozen=True)
class NoProber:
    """No probe is configured: silence alone decides."""

    def probe(self, node_ids: Iterable[str]) -> dict[str, Probe]:
        return dict.fromkeys(node_ids, Probe.UNCONFIGURED)


class SshProber:
    """Probes machines side by side, so that a hanging one delays no other."""

    def __init__(self, door: SshDoor, machines: dict[str, Machine]) -> None:
        self._door = door
        self._machines = machines
        self._lock = threading.Lock()
        self._threads = concurrent.futures.ThreadPoolExecutor(PROBES_AT_ONCE, "probe")

    def probe(self, node_ids: Iterable[str]) -> dict[str, Probe]:
        """Ask all of them; takes a little over 5 s at most for each 16."""
        with self._lock:
            asked = {name: self._threads.submit(self._ask, name) for name in node_ids}
            return {name: future.result() for name, future in asked.items()}

    def _ask(self, name: str) -> Probe:
        machine = self._machines.get(name)
        if machine is None:
            return Probe.UNCONFIGURED
        try:
            key = self._door.scan_host_key(machine.address, machine.ssh_port, PROBE_TIMEOUT_S)
        except (Retryable, Permanent):
            return Probe.SILENT
        if machine.host_key is not None and key != machine.host_key:
            _log.error("host_key_changed", node_id=name, shown=key)
            return Probe.SILENT
        return Probe.ALIVE
