"""B5 sampling: CPU and RAM of many machines over SSH, against a mere echo over the same channels.

One real sshd on loopback, reached as 127.1.y.z: a connection, a login and a resident shell loop for
each machine, as the load balancer keeps them. A sweep is: ask all, until the last has answered.

- cold: from nothing to the first answer of all (key exchange and login included);
- ours: a warm sweep; limit: a warm sweep of second channels of the same connections, to `cat`, from
  as many threads;
- with_dead: a warm sweep of the good ones while one machine in fifty accepts and is silent.

Client and servers share this machine's cores, so a sweep pays for both ends.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common import logs
from common.clock import SystemClock
from common.ssh import SshConnection, SshStream, SshTarget
from common.ssh.paramiko_door import ParamikoDoor
from load_balancer.domain.probe import SAMPLER_SCRIPT, Reading
from load_balancer.sampler import MachineSampler, Sample, SshProbe
from tests.contract.sshd import Sshd, sshd
from tests.support import hostile

SIZE = 500
ARMS = 7
COLD_WITHIN_S = 600.0
PATIENCE_S = 300.0  # hundreds log in at once, on a machine that is client and servers in one
_CHOOSE = """\
[ "$SSH_ORIGINAL_COMMAND" = cat ] && exec cat
exec sh {folder}/sampler
"""


def run(size: int) -> dict[str, Any]:
    """Measure; `size` is the number of machines."""
    logs.configure("bench", level="CRITICAL")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "sampler").write_text(SAMPLER_SCRIPT)
        (folder / "choose").write_text(_CHOOSE.format(folder=folder))
        options = ("ListenAddress 0.0.0.0", "MaxStartups 2000", "LoginGraceTime 600",
                   "UseDNS no", "PermitUserRC no", "LogLevel ERROR")  # fmt: skip
        server = stack.enter_context(sshd(f"ForceCommand exec sh {folder}/choose", *options))
        ours = _Sweeps(server, size)
        stack.callback(ours.stop)
        cold_s = ours.sweep(COLD_WITHIN_S)
        _tell(f"cold: {cold_s:.1f} s")
        limit = _Sweeps(server, size, ours)
        stack.callback(limit.stop)
        _tell(f"second channels: {limit.sweep(COLD_WITHIN_S):.1f} s")
        for sweeps in (ours, limit):
            sweeps.sweep()  # not counted: what was begun meanwhile comes to rest
        warm, echo = [], []
        for arm in range(ARMS):
            echo.append(limit.sweep())
            warm.append(ours.sweep())
            _tell(f"arm {arm}: {warm[-1]:.3f} s, echo {echo[-1]:.3f} s")
        port = stack.enter_context(hostile.peer_that(hostile.be_silent))
        ours.add_dead(size // 50, port)
        with_dead = [ours.sweep() for _ in range(ARMS)]
    best, least = statistics.median(warm), statistics.median(echo)
    return {
        "id": "b5", "size": size, "unit": "s per warm sweep", "ours": round(best, 4),
        "limit": round(least, 4), "ratio_to_limit": round(best / least, 3),
        "spread": [round(min(warm), 4), round(max(warm), 4)],
        "limit_spread": [round(min(echo), 4), round(max(echo), 4)],
        "cold_s": round(cold_s, 2), "with_dead_s": round(statistics.median(with_dead), 4),
        "dead": size // 50,
    }  # fmt: skip


def _tell(words: str) -> None:
    """Show that it goes on, and what is there so far should somebody cut it short."""
    print(f"b5: {words}", file=sys.stderr, flush=True)


class _EchoProbe:
    """As little as can be asked over an open channel: a second one of a sampler's connection."""

    def __init__(self, connection: SshConnection) -> None:
        self._connection = connection
        self._echo: SshStream | None = None

    def read(self) -> Reading:
        if self._echo is None:
            self._echo = self._connection.stream(["cat"], PATIENCE_S)
        self._echo.write(b"\n")
        self._echo.read_until(b"\n", PATIENCE_S)
        return Reading(1, 2, 2, 1)

    def close(self) -> None:
        if self._echo is not None:
            self._echo.close()


class _PatientProbe(SshProbe):
    """Logs in among hundreds at once, on a machine that is client and servers in one."""

    def read(self) -> Reading:
        if self._connection is None:
            self._connection = self._door.connect(self._target, PATIENCE_S)
        return super().read()

    def echo(self) -> _EchoProbe:
        """Return a probe over the connection that this one keeps."""
        if self._connection is None:
            raise RuntimeError("it is not connected")
        return _EchoProbe(self._connection)


class _Sweeps:
    """Samplers of many machines, and the seconds a sweep of the good ones takes."""

    def __init__(self, server: Sshd, size: int, kept: _Sweeps | None = None) -> None:
        """Prepare the samplers; with `kept`, echoes over the connections that those keep."""
        self._server = server
        self._kept = kept
        self.probes: dict[str, _PatientProbe] = {}
        self._changed = threading.Condition()
        self._reported: dict[str, Sample] = {}
        self._good = {f"m{number}" for number in range(size)}
        self._samplers = [self._sampler(f"m{n}", n, server.port) for n in range(size)]

    def sweep(self, within_s: float = 60.0) -> float:
        with self._changed:
            self._reported = {}
        began = time.perf_counter()
        for sampler in self._samplers:
            sampler.ask()
        with self._changed:
            if not self._changed.wait_for(self._is_complete, within_s):
                raise RuntimeError(f"{len(self._reported)} of {len(self._good)} answered")
        took_s = time.perf_counter() - began
        errors = [s.error for n, s in self._reported.items() if n in self._good and s.error]
        strange = [error for error in errors if error and "needs two" not in error]
        if strange:
            raise RuntimeError(f"{len(strange)} failed: {strange[0]}")
        return took_s

    def add_dead(self, count: int, port: int) -> None:
        """Add machines that accept and are silent."""
        self._samplers += [self._sampler(f"dead{n}", n, port) for n in range(count)]

    def stop(self) -> None:
        for sampler in self._samplers:
            sampler.stop()

    def _is_complete(self) -> bool:
        return len(self._reported) >= len(self._good) and self._good <= self._reported.keys()

    def _sampler(self, name: str, number: int, port: int) -> MachineSampler:
        if self._kept is not None:
            echo = self._kept.probes[name].echo()
            return MachineSampler(name, echo, SystemClock(), self._report)
        server = self._server
        host = f"127.1.{number // 250}.{number % 250 + 1}"
        target = SshTarget(name, host if port == server.port else "127.0.0.1", server.user,
                           server.fingerprint(), port, (server.key(),))  # fmt: skip
        probe = _PatientProbe(ParamikoDoor(), target, PATIENCE_S)
        self.probes[name] = probe
        return MachineSampler(name, probe, SystemClock(), self._report)

    def _report(self, name: str, sample: Sample) -> None:
        with self._changed:
            self._reported[name] = sample
            if len(self._reported) >= len(self._good):
                self._changed.notify_all()
