"""Machines that are containers of this host: for the demo and the tests.

Idempotent: a machine is known by its name, which carries the platform's; what exists is adopted.
Host keys are read over Docker and so pinned before the first contact over the network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from images.machine_run import LXCFS, MachineRun, machine_run_args
from platform_initializer.domain.description import Description, Pool, SshLogin
from platform_initializer.errors import Failure, MachineError
from platform_initializer.machines import Machine

LABEL = "io.rota.platform"
MARK = "io.rota.machine"
SSHD_TIMEOUT_S = 60.0
_KEY = "systemctl is-active -q ssh && cat /etc/ssh/ssh_host_ed25519_key.pub"


def container_name(platform: str, machine: str) -> str:
    """Name the container that plays a machine."""
    return f"rota-{platform}-{machine}"


class DockerMachines:
    """Makes, adopts and destroys them. `key_file` is the tool's own private key."""

    def __init__(self, description: Description, key_file: Path, public_key: str) -> None:
        self._platform = description.platform
        self._pools = description.pools
        self._login = SshLogin("deploy", 22, (str(key_file),))
        self._public_key = public_key

    def missing(self) -> list[str]:
        """Name those that are still to be made."""
        there = self._listed()
        wanted = [name for pool in self._pools for name in pool.machine_names()]
        return [name for name in wanted if container_name(self._platform, name) not in there]

    def provide(self, tell: Callable[[str], None]) -> list[Machine]:
        """Make what is missing, start what stopped, and return them all, reachable."""
        missing = set(self.missing())
        if missing:
            _ensure_ready()
        work = [(pool, name) for pool in self._pools for name in pool.machine_names()]
        with ThreadPoolExecutor(max(1, len(work))) as threads:
            return list(threads.map(lambda pair: self._one(pair, missing, tell), work))

    def existing(self) -> list[Machine]:
        """Return those that are there, without making or starting any."""
        there = self._listed()
        work = [(pool, name) for pool in self._pools for name in pool.machine_names()
                if container_name(self._platform, name) in there]  # fmt: skip
        return [self._reach(name, pool) for pool, name in work if self._is_running(name)]

    def destroy(self) -> list[str]:
        """Remove every machine of the platform with its disk; return their names."""
        names = sorted(self._listed())
        if names:
            _docker("rm", "-f", "-v", *names)
        return names

    def destroy_one(self, name: str) -> bool:
        """Remove one of them with its disk; False when it was none of ours."""
        container = container_name(self._platform, name)
        if container not in self._listed():
            return False
        _docker("rm", "-f", "-v", container)
        return True

    def _one(
        self, pair: tuple[Pool, str], missing: set[str], tell: Callable[[str], None]
    ) -> Machine:
        pool, name = pair
        if name in missing:
            tell(f"making machine {name}")
            self._make(pool, name)
        elif not self._is_running(name):
            tell(f"starting machine {name}")
            _docker("start", container_name(self._platform, name), machine=name)
        return self._reach(name, pool)

    def _make(self, pool: Pool, name: str) -> None:
        run = MachineRun(
            name=container_name(self._platform, name),
            authorized_key=self._public_key,
            cpus=float(pool.cpus),
            memory=str(pool.memory),
            lxcfs=Path(LXCFS, "proc/stat").exists(),
            labels={LABEL: self._platform, MARK: name},
        )
        _docker(*machine_run_args(run)[1:], machine=name)

    def _reach(self, name: str, pool: Pool) -> Machine:
        container = container_name(self._platform, name)
        deadline = time.monotonic() + SSHD_TIMEOUT_S
        while True:
            done = _try("exec", container, "sh", "-c", _KEY)
            if done.returncode == 0:
                break
            if time.monotonic() > deadline:
                raise MachineError(Failure(
                    name, "waiting for its SSH server", "it did not start within 60 s",
                    next_step=f"docker logs {container}; docker exec {container} systemctl status",
                ))  # fmt: skip
            time.sleep(0.1)
        address = _docker(
            "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container
        ).strip()
        fingerprint = fingerprint_of(done.stdout)
        return Machine(name, address, self._login, fingerprint, dict(pool.labels))

    def _listed(self) -> dict[str, Any]:
        lines = _docker(
            "ps", "-a", "--filter", f"label={LABEL}={self._platform}", "--filter", f"label={MARK}",
            "--format", "{{json .}}",
        ).splitlines()  # fmt: skip
        return {found["Names"]: found for found in map(json.loads, lines)}

    def _is_running(self, name: str) -> bool:
        container = container_name(self._platform, name)
        return _docker("inspect", "-f", "{{.State.Running}}", container).strip() == "true"


def fingerprint_of(public_line: str) -> str:
    """Return the ``SHA256:...`` form of a public key's line, as `ssh-keygen -lf` prints it."""
    blob = base64.b64decode(public_line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()


def _ensure_ready() -> None:
    """Refuse early where the host has not what machines of this kind need."""
    if _try("image", "inspect", "rota/machine:dev").returncode != 0:
        raise MachineError(Failure(
            "this host", "making machines", "there is no image rota/machine:dev",
            next_step="make images",
        ))  # fmt: skip


def _docker(*arguments: str, machine: str = "this host") -> str:
    done = _try(*arguments)
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.strip().splitlines()
    raise MachineError(Failure(
        machine, "asking Docker here", said[-1] if said else "it said nothing",
        "docker " + " ".join(arguments[:4]), done.returncode, tuple(said[-8:]),
        "see that Docker runs here: docker info (scripts/ensure-docker.sh starts it)",
    ))  # fmt: skip


def _try(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, check=False, timeout=120
        )
    except FileNotFoundError as error:
        raise MachineError(Failure(
            "this host", "asking Docker here", "there is no docker command",
            next_step="make docker",
        )) from error  # fmt: skip
