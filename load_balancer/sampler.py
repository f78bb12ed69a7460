"""One machine's sampler: one kept connection with a resident remote loop, a thread of its own.

A slow, dead or hostile machine holds up nobody but its own thread. The SSH door ends what takes too
long; what hangs all the same is closed from outside (`MachineSampler.break_off`).
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
from common.ssh import SshConnection, SshDoor, SshStream, SshTarget, SshUnreachableError
from load_balancer.domain.load import harmonic_mean
from load_balancer.domain.probe import END_MARK, MOST_BYTES, Reading, cpu_between, parse_reading

USER = "rota-sampler"
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 5.0
"""A machine that is busy answers late, and must not be taken for one that says nothing."""
LONGEST_PAUSE_S = 30.0
HUNG_AFTER_S = 25.0
"""Longer than all timeouts of one sample together."""

_log = logger("load_balancer.sampler")


@dataclass(frozen=True)
class Sample:
    """What one machine said last: fractions 0..1, or what went wrong, in words."""

    at: datetime
    cpu: float | None = None
    ram: float | None = None
    load: float | None = None
    error: str | None = None


def target_of(machine: Machine, user: str, key_file: str) -> SshTarget:
    """Tell how a machine's sampler is reached."""
    return SshTarget(
        machine.name, machine.address, user, machine.host_key, machine.ssh_port, (key_file,)
    )


class Probe(Protocol):
    """Reads one machine's counters. Owned by one thread, but for `close`."""

    def read(self) -> Reading: ...

    def close(self) -> None:
        """Drop what is kept; may come from another thread, to break off a `read` that hangs."""
        ...


class SshProbe:
    """Reads over one kept connection: one small write and one read a sample.

    A machine whose forced command prints one sample and ends (no resident loop) is asked by a plain
    exec each time, over the same connection.
    """

    def __init__(
        self, door: SshDoor, target: SshTarget, answer_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._door = door
        self._target = target
        self._answer_s = answer_s
        self._connection: SshConnection | None = None
        self._stream: SshStream | None = None
        self._is_resident = True

    def read(self) -> Reading:
        connection = self._connection
        if connection is None:
            connection = self._door.connect(self._target, CONNECT_TIMEOUT_S)
            self._connection, self._is_resident = connection, True
        if self._is_resident:
            try:
                return self._ask_resident(connection)
            except SshUnreachableError:
                self._drop_stream()
                self._is_resident = False
        return self._ask_once(connection)

    def close(self) -> None:
        self._drop_stream()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask_resident(self, connection: SshConnection) -> Reading:
        if self._stream is None:
            # the key's forced command is the sampler
            self._stream = connection.stream([], self._answer_s)
        self._stream.write(b"\n")
        return parse_reading(self._stream.read_until(END_MARK, self._answer_s, MOST_BYTES))

    def _ask_once(self, connection: SshConnection) -> Reading:
        return parse_reading(connection.run([], b"\n", self._answer_s).stdout)

    def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class LocalProbe:
    """Reads the machine this service runs on, without SSH."""

    def __init__(self, proc: str) -> None:
        self._proc = Path(proc)

    def read(self) -> Reading:
        stat = (self._proc / "stat").read_bytes().partition(b"\n")[0]
        return parse_reading(stat + b"\n" + (self._proc / "meminfo").read_bytes()[:MOST_BYTES])

    def close(self) -> None:
        """Nothing is kept."""


class MachineState:
    """What sampling one machine leads to; pure but for its probe and clock, owned by one thread.

    After an error it pauses, longer each time and with jitter, so that a machine that is down is
    not hammered and many that return are not stormed.
    """

    def __init__(self, name: str, probe: Probe, clock: Clock) -> None:
        self.name = name
        self._probe = probe
        self._clock = clock
        self._before: Reading | None = None
        self._failures = 0

    def sample(self) -> Sample:
        """Take one sample; an error is one, too."""
        at = self._clock.now()
        try:
            reading = self._probe.read()
        except (RotaError, OSError) as error:
            return self._failed(at, error)
        if self._failures:
            _log.info("sampled_again", node_id=self.name, failures=self._failures)
        self._failures = 0
        before, self._before = self._before, reading
        cpu = cpu_between(before, reading) if before is not None else None
        if cpu is None:
            return Sample(at, error="one reading so far: the CPU's load needs two")
        return Sample(at, cpu, reading.ram, harmonic_mean(cpu, reading.ram))

    def pause_s(self) -> float:
        """Return how long to leave the machine alone."""
        if self._failures == 0:
            return 0.0
        longest = min(LONGEST_PAUSE_S, 2.0 ** min(self._failures, 5))
        return longest * random.uniform(0.5, 1.0)

    def close(self) -> None:
        self._probe.close()

    def _failed(self, at: datetime, error: Exception) -> Sample:
        self._failures += 1
        self._before = None
        self._probe.close()
        if self._failures == 1:
            _log.warning("not_sampled", node_id=self.name, error=str(error))
        return Sample(at, error=str(error) or type(error).__name__)


class MachineSampler:
    """Samples one machine whenever it is asked to, on a thread of its own; any thread may ask."""

    def __init__(
        self, name: str, probe: Probe, clock: Clock, report: Callable[[str, Sample], None]
    ) -> None:
        self._state = MachineState(name, probe, clock)
        self._probe = probe
        self._clock = clock
        self._report = report
        self._wanted = threading.Event()
        self._is_stopped = threading.Event()
        self._began: float | None = None
        self._thread = threading.Thread(target=self._work, name=f"sample-{name}", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Want a sample; does not wait."""
        self._wanted.set()

    def stop(self) -> None:
        """End the thread soon; does not wait for a machine that hangs."""
        self._is_stopped.set()
        self._wanted.set()

    def break_off(self) -> bool:
        """Close the connection of a sample that hangs; tell whether one did."""
        began = self._began
        if began is None or self._clock.monotonic() - began < HUNG_AFTER_S:
            return False
        self._began = self._clock.monotonic()
        threading.Thread(target=self._probe.close, daemon=True).start()  # that may hang as well
        return True

    def _work(self) -> None:
        while not self._is_stopped.is_set():
            self._wanted.wait()
            self._wanted.clear()
            if self._is_stopped.is_set():
                break
            self._began = self._clock.monotonic()
            sample = self._state.sample()
            self._began = None
            self._report(self._state.name, sample)
            self._is_stopped.wait(self._state.pause_s())
        self._state.close()
