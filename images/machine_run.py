"""How a container of the machine image is run so that it behaves as a machine: argv only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

LXCFS = "/var/lib/lxcfs"
LXCFS_FILES = ("stat", "meminfo", "cpuinfo", "loadavg", "uptime", "swaps", "diskstats")
IMAGE = "rota/machine:dev"


@dataclass(frozen=True, kw_only=True)
class MachineRun:
    """What one machine is to be.

    `memory` as Docker writes it ("4g"); `publish` maps a loopback port of this host to one of the
    machine's; `mounts` maps a path on this host to one in the machine.
    """

    name: str
    authorized_key: str
    network: str = "bridge"
    address: str | None = None
    lxcfs: bool = True
    cpus: float = 2.0
    memory: str = "4g"
    labels: Mapping[str, str] = field(default_factory=dict)
    publish: Mapping[int, int] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)
    image: str = IMAGE


def machine_run_args(machine: MachineRun) -> list[str]:
    """Return the whole `docker run` argv; it prints the container's id.

    Not --privileged: that fails where the host itself lacks CAP_SYS_RESOURCE. systemd needs the
    host's cgroup tree, and the nested engine a real disk below /var/lib/docker (overlay on overlay
    is refused), hence the anonymous volume, which `docker rm -v` removes.
    """
    argv = ["docker", "run", "-d", "--name", machine.name, "--hostname", machine.name]
    argv += ["--network", machine.network]
    if machine.address:
        argv += ["--ip", machine.address]
    argv += ["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"]
    argv += ["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"]
    argv += ["--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    argv += ["--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"]  # noqa: S108
    argv += ["-v", "/var/lib/docker"]
    argv += ["--cpus", f"{machine.cpus:g}", "--memory", machine.memory]
    if machine.lxcfs:
        argv += _lxcfs_args()
    for host_path, path in machine.mounts.items():
        argv += ["-v", f"{host_path}:{path}"]
    for host_port, port in machine.publish.items():
        argv += ["-p", f"127.0.0.1:{host_port}:{port}"]
    for label, value in machine.labels.items():
        argv += ["--label", f"{label}={value}"]
    argv += ["-e", f"ROTA_MACHINE_AUTHORIZED_KEY={machine.authorized_key}"]
    return [*argv, machine.image]


def _lxcfs_args() -> list[str]:
    """Bind this machine's own view of each file over what the kernel shows of the whole host."""
    argv = []
    for name in LXCFS_FILES:
        argv += ["-v", f"{LXCFS}/proc/{name}:/proc/{name}:rw"]
    return argv
