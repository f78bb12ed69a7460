"""One machine's sampler: one kept connection with a resident remote loop, a thread of its own.

A slow, dead or hostile machine holds up nobody but its own thread; the SSH door closes what hangs.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from common.clock import Clock
from common.errors import RotaError
from common.logs import logger
from common.machines import Machine
from common.ssh import SshConnection, SshDoor, SshStream, SshTarget
from load_balancer.domain.load import harmonic_mean
from load_balancer.domain.probe import END_MARK, MOST_BYTES, Reading, cpu_between, parse_reading

USER = "rota-sampler"
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 1.5
LONGEST_PAUSE_S = 30.0

_log = logger("load_balancer.sampler")


@dataclass(frozen=True)
class Sample:
    """What one machine said last: fractions 0..1, or what went wrong, in words."""

    at: datetime
    cpu: float | None = None
    ram: float | None = None
    load: float | None = None
    error: str | None = None


class Probe(Protocol):
    """Reads one machine's counters. Owned by one thread."""

    def read(self) -> Reading: ...

    def close(self) -> None: ...


class SshProbe:
    """Reads over one kept connection: one small write and one read a sample."""

    def __init__(self, door: SshDoor, machine: Machine, key_file: str) -> None:
        self._door = door
        self._target = SshTarget(
            machine.name, machine.address, USER, machine.host_key, machine.ssh_port, (key_file,)
        )
        self._connection: SshConnection | None = None
        self._stream: SshStream | None = None

    def read(self) -> Reading:
        if self._stream is None:
            self._connection = self._door.connect(self._target, CONNECT_TIMEOUT_S)
            self._stream = self._connection.stream([])  # the key's forced command is the sampler
        self._stream.write(b"\n")
        return parse_reading(self._stream.read_until(END_MARK, ANSWER_TIMEOUT_S, MOST_BYTES))

    def close(self) -> None:
        stream, connection = self._stream, self._connection
        self._stream = self._connection = None
        if stream is not None:
            stream.close()
        if connection is not None:
            connection.close()


class LocalProbe:
    """Reads the machine this service runs on, without SSH."""

    def __init__(self, proc: str) -> None:
        self._proc = Path(proc)

    def read(self) -> Reading:
        stat = (self._proc / "stat").read_bytes().partition(b"\n")[0]
        return parse_reading(stat + b"\n" + (self._proc / "meminfo").read_bytes()[:MOST_BYTES])

    def close(self) -> None:
        """Nothing is kept."""


class MachineSampler:
    """Samples one machine whenever it is asked to. Its thread owns the probe.

    `latest` may be read by any thread. After an error it pauses, longer each time and with jitter,
    so that a machine that is down is not hammered.
    """

    def __init__(
        self, name: str, probe: Probe, clock: Clock, report: Callable[[str, Sample], None]
    ) -> None:
        self._name = name
        self._probe = probe
        self._clock = clock
        self._report = report
        self._wanted = threading.Event()
        self._is_stopped = threading.Event()
        self._before: Reading | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._work, name=f"sample-{name}", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Want a sample; does not wait."""
        self._wanted.set()

    def stop(self) -> None:
        """End the thread soon; does not wait for a machine that hangs."""
        self._is_stopped.set()
        self._wanted.set()

    def _work(self) -> None:
        while not self._is_stopped.is_set():
            self._wanted.wait()
            self._wanted.clear()
            if not self._is_stopped.is_set():
                self._report(self._name, self._sample())
                self._is_stopped.wait(self._pause())
        self._probe.close()

    def _sample(self) -> Sample:
        at = self._clock.now()
        try:
            reading = self._probe.read()
        except (RotaError, OSError) as error:
            self._failures += 1
            self._before = None
            self._probe.close()
            if self._failures == 1:
                _log.warning("not_sampled", node_id=self._name, error=str(error))
            return Sample(at, error=str(error))
        self._failures = 0
        before, self._before = self._before, reading
        cpu = cpu_between(before, reading) if before is not None else None
        if cpu is None:
            return Sample(at, error="one reading so far: the CPU's load needs two")
        return Sample(at, cpu, reading.ram, harmonic_mean(cpu, reading.ram))

    def _pause(self) -> float:
        if self._failures == 0:
            return 0.0
        return min(LONGEST_PAUSE_S, 2.0 ** min(self._failures, 5)) * random.uniform(0.5, 1.0)
