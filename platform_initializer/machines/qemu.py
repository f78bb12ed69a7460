"""Real virtual machines on this host: qemu, an overlay on a shared disk, a cloud-init seed.

Each sits on a bridge of the host (Docker's, if none is named), so that machines, containers and the
host reach one another. A machine is its folder below the platform's own: that folder, made first
and by one rename, is the mark by which it is found, adopted and destroyed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_initializer.domain.description import SshLogin
from platform_initializer.errors import Failure, MachineError
from platform_initializer.machines import Machine
from platform_initializer.machines.pooled import Wanted
from platform_initializer.machines.qemu_command import Vm, qemu_args, seed_image, tap_of
from platform_initializer.machines.seed import USER, Seed
from platform_initializer.machines.waiting import wait_for_ssh

SSH_TIMEOUT_S = 420.0  # without KVM a boot takes 30 s on an idle host, ten times that on a busy one
STOP_WITHIN_S = 10.0
_KVM_TRIES_S = 3.0


@dataclass(frozen=True)
class QemuHost:
    """What machines are made of here: the base disk's folder, ours, the bridge, the tool's key."""

    base: Path
    folder: Path
    bridge: str
    key_file: str
    wait_for_ssh: Callable[[str, str, int, float], None] = wait_for_ssh


class QemuMaker:
    """Makes them. `seed_of` gives a machine's keys, kept before they are used."""

    def __init__(
        self, platform: str, host: QemuHost, seed_of: Callable[[str], Seed],
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._platform = platform
        self._host = host
        self._seed_of = seed_of
        self._tell = tell
        self._lock = threading.Lock()

    def listed(self) -> dict[str, bool]:
        folders = self._host.folder.glob("*/vm.json") if self._host.folder.is_dir() else ()
        return {path.parent.name: _pid_of(path.parent) is not None for path in sorted(folders)}

    def check(self) -> None:
        lacking = [name for name in ("base.qcow2", "vmlinuz", "initrd.img")
                   if not (self._host.base / name).exists()]  # fmt: skip
        if lacking:
            raise _refusal("making virtual machines", f"{self._host.base} has no {lacking[0]}",
                           f"images/vm/build.sh {self._host.base}")  # fmt: skip
        for program in ("qemu-system-x86_64", "qemu-img", "ip"):
            if shutil.which(program) is None:
                raise _refusal("making virtual machines", f"there is no {program}",
                               "apt-get install qemu-system-x86 qemu-utils iproute2")  # fmt: skip
        if os.geteuid() != 0:
            raise _refusal("making virtual machines", "only root may put one on a bridge",
                           "run the same command with sudo")  # fmt: skip
        self._network()

    def make(self, wanted: Wanted) -> None:
        """Write its disk, seed and description aside, rename them into place, start it."""
        home = self._host.folder / wanted.name
        draft = self._host.folder / f".{wanted.name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        seed = self._seed_of(wanted.name)
        _run(wanted.name, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
             str(self._host.base / "base.qcow2"), str(draft / "disk.qcow2"))  # fmt: skip
        with self._lock:  # an address is taken from the renaming on
            address = self._free_address(wanted.name)
            vm = Vm(self._platform, wanted.name, str(address), wanted.pool.cpus, wanted.pool.memory)
            (draft / "seed.iso").write_bytes(seed_image(vm, seed, self._network()))
            (draft / "vm.json").write_text(json.dumps(vm.as_dict()), encoding="utf-8")
            draft.rename(home)
        self.start(wanted)

    def start(self, wanted: Wanted) -> None:
        home = self._host.folder / wanted.name
        vm = self._vm(wanted.name)
        tap = tap_of(vm)
        if not Path("/sys/class/net", tap).exists():
            _run(wanted.name, "ip", "tuntap", "add", "dev", tap, "mode", "tap")
        _run(wanted.name, "ip", "link", "set", tap, "master", self._host.bridge, "up")
        kind = "kvm" if is_kvm_working() else "tcg"
        if kind == "tcg":
            self._tell(f"{wanted.name}: no working KVM here, so it is emulated (about 15 x slower)")
        _run(wanted.name, *qemu_args(vm, home, self._host.base, kind))

    def reach(self, wanted: Wanted) -> Machine:
        vm = self._vm(wanted.name)
        self._host.wait_for_ssh(wanted.name, vm.address, 22, SSH_TIMEOUT_S)
        login = SshLogin(USER, 22, (self._host.key_file,))
        pin = self._seed_of(wanted.name).fingerprint
        return Machine(wanted.name, vm.address, login, pin, dict(wanted.pool.labels))

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            home = self._host.folder / name
            tap = tap_of(self._vm(name))
            _end(home)
            if Path("/sys/class/net", tap).exists():
                _run(name, "ip", "link", "delete", tap)
            gone = self._host.folder / f".{name}.gone"
            shutil.rmtree(gone, ignore_errors=True)
            home.rename(gone)
            shutil.rmtree(gone)

    def _vm(self, name: str) -> Vm:
        text = (self._host.folder / name / "vm.json").read_text(encoding="utf-8")
        return Vm(**json.loads(text))

    def _network(self) -> ipaddress.IPv4Interface:
        """Return the bridge's own address with its network."""
        said = _run("this host", "ip", "-j", "-4", "addr", "show", "dev", self._host.bridge)
        found = [a for link in json.loads(said) for a in link.get("addr_info", ())]
        if not found:
            raise _refusal("making virtual machines", f"bridge {self._host.bridge} has no address",
                           "name another under provision: bridge:")  # fmt: skip
        return ipaddress.IPv4Interface(f"{found[0]['local']}/{found[0]['prefixlen']}")

    def _free_address(self, name: str) -> ipaddress.IPv4Address:
        """Choose by name, near the network's end: Docker gives addresses from its beginning."""
        network = self._network().network
        taken = {self._vm(other).address for other in self.listed()}
        start = int(hashlib.sha256(f"{self._platform}/{name}".encode()).hexdigest(), 16)
        room = min(4096, network.num_addresses // 4)
        for offset in range(room):
            address = network.broadcast_address - 1 - (start + offset) % room
            if str(address) not in taken and not _answers(str(address)):
                return address
        raise _refusal("choosing an address", f"{network} is full", "destroy machines")


def is_kvm_working() -> bool:
    """Tell whether KVM runs a guest here: an empty one must still be alive after its first moments.

    Opening /dev/kvm proves little: under nested virtualisation guests may hang at their first
    instruction, so the guest's firmware must have written to its debug port.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    argv = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-machine", "pc", "-m", "64",
            "-display", "none", "-nodefaults", "-chardev", "stdio,id=d",
            "-device", "isa-debugcon,iobase=0x402,chardev=d"]  # fmt: skip
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        said, _ = process.communicate(timeout=_KVM_TRIES_S)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    return b"SeaBIOS" in said


def _pid_of(home: Path) -> int | None:
    """Return the machine's process, if it lives and is this machine's and not a later one's."""
    try:
        pid = int((home / "pid").read_text(encoding="ascii"))
        line = Path("/proc", str(pid), "cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(home / "disk.qcow2").encode() in line else None


def _end(home: Path) -> None:
    pid = _pid_of(home)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN_S
    while _pid_of(home) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _answers(address: str) -> bool:
    return subprocess.run(
        ["ping", "-c", "1", "-W", "1", address], check=False, capture_output=True, timeout=10
    ).returncode == 0 if shutil.which("ping") else False  # fmt: skip


def _run(machine: str, *argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 0:
        return done.stdout
    said = (done.stderr or done.stdout).strip().splitlines()
    raise MachineError(Failure(
        machine, f"running {argv[0]}", said[-1] if said else "it said nothing",
        " ".join(argv)[:300], done.returncode, tuple(said[-8:]),
        "see that this host has qemu, the bridge, and room on its disk",
    ))  # fmt: skip


def _refusal(what: str, why: str, next_step: str) -> MachineError:
    return MachineError(Failure("this host", what, why, next_step=next_step))
