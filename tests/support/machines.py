"""A machine container with a Docker Engine of its own, whose socket a test on the host can use."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from images.machine_run import MachineRun, machine_run_args
from node_manager.client.install.files import InstalledFile
from tests.support import servers

SHARED = "/srv/rota-test"
DOCKER_UNIT = f"""[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// -H unix://{SHARED}/docker.sock --containerd=/run/containerd/containerd.sock
"""


class Machine:
    """One machine; `socket` is its Docker socket as this host sees it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.socket = f"unix://{folder}/docker.sock"

    @property
    def address(self) -> str:
        found = json.loads(_output("docker", "inspect", self.name))[0]
        networks: dict[str, dict[str, str]] = found["NetworkSettings"]["Networks"]
        return next(iter(networks.values()))["IPAddress"]

    def run(self, *command: str) -> str:
        """Run a command as root; return its output."""
        return _output("docker", "exec", self.name, *command)

    def shell(self, script: str) -> str:
        return self.run("sh", "-c", script)

    def write(self, file: InstalledFile) -> None:
        script = f"mkdir -p '{Path(file.path).parent}' && cat > '{file.path}' && chmod {file.mode:o} '{file.path}'"
        subprocess.run(["docker", "exec", "-i", self.name, "sh", "-c", script], check=True,
                       input=file.content.encode())

    def install(self, files: Iterable[InstalledFile], commands: Iterable[list[str]]) -> None:
        """Do what the initializer does with such data."""
        for file in files:
            self.write(file)
        for command in commands:
            self.run(*command)

    def load(self, *images: str) -> None:
        """Send images of this host into its Docker."""
        sender = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
        subprocess.run(["docker", "exec", "-i", self.name, "docker", "load"], stdin=sender.stdout,
                       check=True, capture_output=True)
        assert sender.wait() == 0


@contextmanager
def docker_machine(*images: str) -> Iterator[Machine]:
    """Yield a machine whose Docker is up and has these images."""
    image = servers.ensure_image("machine")
    name = f"rota-test-machine-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix="rota-test-") as folder:
        wanted = MachineRun(
            name=name, authorized_key="none", memory="3g", lxcfs=False, image=image,
            labels={servers.OWNER_LABEL: str(os.getpid())}, mounts={folder: SHARED})
        try:
            _output(*machine_run_args(wanted))
            machine = Machine(name, Path(folder))
            _wait_for_systemd(machine)
            machine.write(InstalledFile(
                "/etc/systemd/system/docker.service.d/test.conf", 0o644, DOCKER_UNIT))
            machine.shell("(apt-get -q -o Acquire::Check-Valid-Until=false update && DEBIAN_FRONTEND=noninteractive"
                          " apt-get -q install -y --no-install-recommends docker.io iptables)"
                          " > /root/apt.log 2>&1 || { tail /root/apt.log; exit 1; }")
            machine.load(*images)
            yield machine
        finally:
            subprocess.run(["docker", "exec", name, "rm", "-f", f"{SHARED}/docker.sock"],
                           capture_output=True, check=False)
            subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)


def _wait_for_systemd(machine: Machine) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        done = subprocess.run(["docker", "exec", machine.name, "systemctl", "is-active", "ssh"],
                              capture_output=True, text=True, check=False)
        if done.stdout.strip() == "active":
            return
        time.sleep(0.1)
    raise AssertionError(f"{machine.name} is not up after 30 s")


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout.strip()
