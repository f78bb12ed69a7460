"""The qemu command of one virtual machine, and its seed: pure but for the seed's own writer."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from common.errors import ConfigError
from platform_initializer.machines.seed import Seed


@dataclass(frozen=True)
class Vm:
    """One virtual machine as its folder remembers it. `memory` in bytes."""

    platform: str
    name: str
    address: str
    cpus: int
    memory: int

    def as_dict(self) -> dict[str, str | int]:
        return asdict(self)

    @property
    def mac(self) -> str:
        """A locally administered address of its own, always the same."""
        digits = _digest(self)[:10]
        return "52:" + ":".join(digits[i : i + 2] for i in range(0, 10, 2))


def tap_of(vm: Vm) -> str:
    """Name its end of the wire: at most 15 signs, as Linux wants it."""
    return f"rota-{_digest(vm)[:8]}"


def qemu_args(vm: Vm, home: Path, base: Path, accelerator: str) -> list[str]:
    """Return the argv that starts it in the background.

    ``pc`` boots faster than ``q35`` here; ``unsafe`` since a killed host loses the machine anyway;
    a small translation cache keeps its memory near 1.3 GB.
    """
    accel = "kvm" if accelerator == "kvm" else "tcg,thread=multi,tb-size=256"
    drive = "file={},if=virtio,format={},cache=unsafe"
    return [
        "qemu-system-x86_64", "-name", f"rota-{vm.platform}-{vm.name}",
        "-nodefaults", "-display", "none", "-machine", "pc", "-accel", accel,
        "-cpu", "host" if accelerator == "kvm" else "max",
        "-smp", str(vm.cpus), "-m", str(vm.memory >> 20),
        "-kernel", str(base / "vmlinuz"), "-initrd", str(base / "initrd.img"),
        "-append", "root=LABEL=root ro console=ttyS0 panic=10 quiet",
        "-drive", drive.format(home / "disk.qcow2", "qcow2"),
        "-drive", drive.format(home / "seed.iso", "raw") + ",readonly=on",
        "-netdev", f"tap,id=n0,ifname={tap_of(vm)},script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=n0,mac={vm.mac},romfile=",
        "-device", "virtio-rng-pci", "-serial", f"file:{home / 'console.log'}",
        "-pidfile", str(home / "pid"), "-daemonize",
    ]  # fmt: skip


def seed_files(vm: Vm, seed: Seed, bridge: ipaddress.IPv4Interface) -> dict[str, str]:
    """Return a NoCloud seed's three files. The network matches by MAC: a name would miss it."""
    network = {
        "version": 2,
        "ethernets": {"lan": {
            "match": {"macaddress": vm.mac},
            "addresses": [f"{vm.address}/{bridge.network.prefixlen}"],
            "gateway4": str(bridge.ip),
        }},
    }  # fmt: skip
    identity = {"instance-id": f"{vm.platform}-{vm.name}", "local-hostname": vm.name}
    return {
        "user-data": seed.user_data(is_image_ready=True),
        "meta-data": json.dumps(identity) + "\n",
        "network-config": json.dumps(network) + "\n",
    }


def seed_image(vm: Vm, seed: Seed, bridge: ipaddress.IPv4Interface) -> bytes:
    """Return the seed as an ISO labelled ``cidata``, by which cloud-init finds it."""
    try:
        import pycdlib
    except ImportError as error:
        raise ConfigError(
            "virtual machines need pycdlib for their seeds: pip install 'pycdlib>=1.22,<2'"
        ) from error
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for number, (name, text) in enumerate(seed_files(vm, seed, bridge).items()):
        content = text.encode()
        image.add_fp(io.BytesIO(content), len(content), f"/F{number}.;1", rr_name=name,
                     joliet_path=f"/{name}")  # fmt: skip
    buffer = io.BytesIO()
    image.write_fp(buffer)
    image.close()
    return buffer.getvalue()


def _digest(vm: Vm) -> str:
    return hashlib.sha256(f"{vm.platform}/{vm.name}".encode()).hexdigest()
