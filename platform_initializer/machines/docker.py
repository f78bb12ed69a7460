"""Machines that are containers of this host: for the demo and the tests.

Idempotent: a machine is known by its name, which carries the platform's; what exists is adopted.
Host keys are read over Docker and so pinned before the first contact over the network.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from images.machine_run import LXCFS, MachineRun, machine_run_args
from platform_initializer.domain.description import SshLogin
from platform_initializer.errors import Failure, MachineError
from platform_initializer.machines import Machine
from platform_initializer.machines.pooled import Wanted
from platform_initializer.machines.seed import MARK_MACHINE, MARK_PLATFORM, fingerprint_of

SSHD_TIMEOUT_S = 60.0
_KEY = "systemctl is-active -q ssh && cat /etc/ssh/ssh_host_ed25519_key.pub"


def container_name(platform: str, machine: str) -> str:
    """Name the container that plays a machine."""
    return f"rota-{platform}-{machine}"


class DockerMaker:
    """Makes them on this host's Docker. `key_file` is the tool's own private key."""

    def __init__(self, platform: str, key_file: Path, public_key: str) -> None:
        self._platform = platform
        self._login = SshLogin("deploy", 22, (str(key_file),))
        self._public_key = public_key

    def listed(self) -> dict[str, bool]:
        lines = _docker(
            "ps", "-a", "--filter", f"label={MARK_PLATFORM}={self._platform}",
            "--filter", f"label={MARK_MACHINE}",
            "--format", f'{{{{.Label "{MARK_MACHINE}"}}}} {{{{.State}}}}',
        ).splitlines()  # fmt: skip
        return {line.split()[0]: line.endswith(" running") for line in lines}

    def check(self) -> None:
        if _try("image", "inspect", "rota/machine:dev").returncode != 0:
            raise MachineError(Failure(
                "this host", "making machines", "there is no image rota/machine:dev",
                next_step="make images",
            ))  # fmt: skip

    def make(self, wanted: Wanted) -> None:
        run = MachineRun(
            name=container_name(self._platform, wanted.name),
            authorized_key=self._public_key,
            cpus=float(wanted.pool.cpus),
            memory=str(wanted.pool.memory),
            lxcfs=lxcfs_serves(Path(LXCFS, "proc/stat")),
            labels={MARK_PLATFORM: self._platform, MARK_MACHINE: wanted.name},
        )
        _docker(*machine_run_args(run)[1:], machine=wanted.name)

    def start(self, wanted: Wanted) -> None:
        _docker("start", container_name(self._platform, wanted.name), machine=wanted.name)

    def remove(self, names: Sequence[str]) -> None:
        _docker("rm", "-f", "-v", *(container_name(self._platform, name) for name in names))

    def reach(self, wanted: Wanted) -> Machine:
        container = container_name(self._platform, wanted.name)
        deadline = time.monotonic() + SSHD_TIMEOUT_S
        while True:
            done = _try("exec", container, "sh", "-c", _KEY)
            if done.returncode == 0:
                break
            if time.monotonic() > deadline:
                raise MachineError(Failure(
                    wanted.name, "waiting for its SSH server", "it did not start within 60 s",
                    next_step=f"docker logs {container}; docker exec {container} systemctl status",
                ))  # fmt: skip
            time.sleep(0.1)
        address = _docker(
            "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container
        ).strip()
        fingerprint = fingerprint_of(done.stdout)
        return Machine(wanted.name, address, self._login, fingerprint, dict(wanted.pool.labels))


def lxcfs_serves(sample: Path) -> bool:
    """Tell whether machines can have their own view of /proc; False where there is no lxcfs."""
    try:
        sample.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:  # its server died: the mount stands, and Docker would refuse it
        raise MachineError(Failure(
            "this host", "making machines", f"lxcfs does not serve {sample}: {error.strerror}",
            next_step="scripts/ensure-lxcfs.sh",
        )) from error  # fmt: skip
    return True


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
