"""The machine image is a machine: SSH by key, Docker by apt, and a load that is its own."""

import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.machine_run import MachineRun, machine_run_args
from tests.support import servers

SET_CGROUP_PARENT = r"""
parent=$(sed -n 's#^[0-9]*:\(cpu,cpuacct\|cpuacct\):##p; s#^0::##p' /proc/1/cgroup | head -n 1 | sed 's#/init\.scope$##')
printf '{"cgroup-parent": "%s", "exec-opts": ["native.cgroupdriver=cgroupfs"]}' "$parent" |
    sudo tee /etc/docker/daemon.json > /dev/null
"""


class Machine:
    """One running machine, reached by SSH with its host key pinned beforehand."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder
        self.address = output(
            "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)

    def run(self, script: str) -> str:
        return output(
            "ssh", "-i", str(self._folder / "key"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
            "-o", f"UserKnownHostsFile={self._folder / self.name}", f"deploy@{self.address}", script)

    def pin(self) -> None:
        """Write down its host key, told by Docker; it appears within moments of the first start."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            done = subprocess.run(
                ["docker", "exec", self.name, "sh", "-c",
                 "systemctl is-active -q ssh && cat /etc/ssh/ssh_host_ed25519_key.pub"],
                capture_output=True, text=True, check=False)
            if done.returncode == 0:
                (self._folder / self.name).write_text(f"{self.address} {done.stdout}")
                return
            time.sleep(0.1)
        raise AssertionError(f"sshd of {self.name} is not up after 30 s: {done.stderr}")

    def load(self) -> tuple[float, float]:
        """Return (CPU in use of the next 3 s, memory in use), both as fractions."""
        first, second, total, available = self.run(
            "head -n 1 /proc/stat; sleep 3; head -n 1 /proc/stat;"
            " awk '/^Mem(Total|Available)/ {print $2}' /proc/meminfo").splitlines()
        before, after = ([int(word) for word in line.split()[1:]] for line in (first, second))
        passed = [now - then for then, now in zip(before, after, strict=True)]
        return 1 - passed[3] / sum(passed), 1 - int(available) / int(total)


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Machine]]:
    folder = tmp_path_factory.mktemp("machines")
    servers.ensure_image("machine")
    output("bash", str(servers.REPOSITORY / "scripts/ensure-lxcfs.sh"))
    output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
    key = (folder / "key.pub").read_text().strip()
    names = [f"rota-test-machine-{secrets.token_hex(3)}" for _ in range(2)]
    try:
        for name in names:
            output(*machine_run_args(MachineRun(name=name, authorized_key=key, memory="2g")))
        first, second = (Machine(name, folder) for name in names)
        first.pin()
        second.pin()
        yield first, second
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", *names], capture_output=True, check=False)


def test_a_machine_lets_in_by_key_only_and_gives_root_by_sudo(machines):
    machine, _ = machines
    assert machine.run("sudo id -u") == "0"
    assert "passwordauthentication no" in machine.run("sudo sshd -T")


def test_machines_share_no_key_and_no_id(machines):
    first, second = machines
    for path in ("/etc/ssh/ssh_host_ed25519_key.pub", "/etc/machine-id"):
        assert first.run(f"cat {path}") != second.run(f"cat {path}")


def test_load_of_a_nested_container_shows_on_its_machine_alone(machines):
    busy, idle = machines
    busy.run("sudo apt-get -q update && sudo DEBIAN_FRONTEND=noninteractive"
             " apt-get -q install -y docker.io > /tmp/apt.log 2>&1")
    busy.run(SET_CGROUP_PARENT + "sudo systemctl restart docker")
    image = servers.ensure_image("demo-app")
    sender = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
    subprocess.run(["docker", "exec", "-i", busy.name, "docker", "load"], stdin=sender.stdout,
                   check=True, capture_output=True)
    assert sender.wait() == 0

    busy.run(f"sudo docker run -d --rm --name burn {image} burn-cpu &&"
             f" sudo docker run -d --rm --name hold --memory 1g {image} hold-memory 600")
    try:
        time.sleep(2)  # the real memory has to be filled
        busy_cpu, busy_memory = busy.load()
        idle_cpu, idle_memory = idle.load()
    finally:
        busy.run("sudo docker rm -f burn hold")

    assert busy_cpu > 0.35  # one of its two processors
    assert busy_memory > 0.28
    assert idle_cpu < 0.2
    assert idle_memory < 0.1
