"""What the makers of machines are tested on: an EC2 emulator, a small Nova, a fake qemu, a program.

Each yields a `Bench`: a fresh platform's maker and how to leave a machine half made, as a tool that
was killed in the middle would.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from images.machine_run import MachineRun, machine_run_args
from platform_initializer.machines.cloud import CloudMaker
from platform_initializer.machines.clouds import cloud_of
from platform_initializer.machines.command import CommandMaker
from platform_initializer.machines.docker import DockerMaker, container_name
from platform_initializer.machines.pooled import Maker, Wanted
from platform_initializer.machines.qemu import QemuHost, QemuMaker
from platform_initializer.machines.seed import MARK_MACHINE, MARK_PLATFORM, Seed
from platform_initializer.secret_store import SecretStore, public_key
from tests.support import servers

PASSWORD = {"ROTA_CLOUD_USER": "someone", "ROTA_CLOUD_SECRET": "wQ9-some-words-of-its-own"}


@dataclass(frozen=True)
class Bench:
    """One kind of maker, ready for a test."""

    maker: Maker
    leave_half_made: Callable[[Wanted], None]


def seed_maker(folder: Path) -> Callable[[str], Seed]:
    store = SecretStore(folder / "secrets.json")
    store.complete()

    def seed_of(name: str) -> Seed:
        key = store.machine_key(name)
        return Seed(name, key, public_key(key), public_key(store.text("tool_key")))

    return seed_of


def docker_bench(folder: Path) -> Iterator[Bench]:
    servers.ensure_image("machine")
    subprocess.run([servers.REPOSITORY / "scripts/ensure-lxcfs.sh"], check=True)
    platform = f"test-{secrets.token_hex(3)}"
    store = SecretStore(folder / "secrets.json")
    store.complete()
    maker = DockerMaker(platform, folder / "key", public_key(store.text("tool_key")))

    def half(wanted: Wanted) -> None:
        labels = {MARK_PLATFORM: platform, MARK_MACHINE: wanted.name}
        argv = machine_run_args(MachineRun(
            name=container_name(platform, wanted.name), authorized_key="k", labels=labels))
        subprocess.run(["docker", "create", *argv[3:]], check=True, capture_output=True)

    try:
        yield Bench(maker, half)
    finally:
        if names := list(maker.listed()):
            maker.remove(names)


FAKE_QEMU = f"""#!{sys.executable}
import os, signal, sys
if "-pidfile" not in sys.argv: sys.exit(1)
pid = os.fork()
if pid == 0:
    os.setsid()
    for number in range(3): os.close(number)
    signal.pause()
open(sys.argv[sys.argv.index("-pidfile") + 1], "w").write(str(pid))
"""
FAKE_IP = """#!/bin/sh
case "$*" in *addr*) echo '[{"addr_info": [{"local": "10.9.0.1", "prefixlen": 24}]}]';; esac
"""
FAKE_QEMU_IMG = '#!/bin/sh\nfor last; do :; done\n: > "$last"\n'


def qemu_bench(folder: Path) -> Iterator[Bench]:
    """A qemu of our own on the PATH: what is real is the folder, the process and the seed."""
    programs, base, machines = (folder / name for name in ("bin", "base", "machines"))
    programs.mkdir()
    for name, text in (("qemu-system-x86_64", FAKE_QEMU), ("ip", FAKE_IP), ("ping", "#!/bin/false\n"),
                       ("qemu-img", FAKE_QEMU_IMG)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    base.mkdir()
    for name in ("base.qcow2", "vmlinuz", "initrd.img"):
        (base / name).write_text("")
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{programs}:{before}"
    host = QemuHost(base, machines, "br0", str(folder / "key"), lambda *_: None)
    maker = QemuMaker("test", host, seed_maker(folder), lambda _: None)

    def half(wanted: Wanted) -> None:
        killed = QemuMaker("test", host, seed_maker(folder), lambda _: None)
        killed.start = _raise_killed  # type: ignore[method-assign]
        with suppress(KeyboardInterrupt):
            killed.make(wanted)

    try:
        yield Bench(maker, half)
    finally:
        maker.remove(list(maker.listed()))
        os.environ["PATH"] = before


def _raise_killed(_: Wanted) -> None:
    raise KeyboardInterrupt


def ec2_bench(folder: Path) -> Iterator[Bench]:
    """moto ends the name of its answers without the slash that Libcloud looks for."""
    from libcloud.compute.drivers import ec2
    from moto.server import ThreadedMotoServer

    emulator = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    emulator.start()
    before, ec2.NAMESPACE = ec2.NAMESPACE, "http://ec2.amazonaws.com/doc/2016-11-15"
    try:
        host, port = emulator.get_host_and_port()
        forget = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
        urllib.request.urlopen(forget).close()  # noqa: S310 - moto is one for the whole process
        options = {
            "provider": ("ec2",), "image": ("ami-12c6146b",), "size": ("t3.medium",),
            "region": ("us-east-1",), "endpoint": (f"http://{host}:{port}",),
        }  # fmt: skip
        maker = cloud_maker(options, folder)
        yield Bench(maker, maker.make)
    finally:
        ec2.NAMESPACE = before
        emulator.stop()


def openstack_bench(folder: Path) -> Iterator[Bench]:
    with nova() as url:
        options = {
            "provider": ("openstack",), "image": ("debian-12",), "endpoint": (url,),
            "project": ("shop",), "network": ("lan",), "region": ("one",),
        }  # fmt: skip
        maker = cloud_maker(options, folder)
        yield Bench(maker, maker.make)


def cloud_maker(options: dict[str, tuple[str, ...]], folder: Path) -> CloudMaker:
    cloud = cloud_of(options, PASSWORD)
    return CloudMaker("test", cloud, seed_maker(folder), (str(folder / "key"), lambda *_: None))


PROGRAM = """\
import json, pathlib, sys
kept = pathlib.Path("state.json")
there = json.loads(kept.read_text()) if kept.exists() else {}
verb, *names = sys.argv[1:]
for name in names:
    if verb == "create": there.setdefault(name, {"address": "127.0.0.1", "port": PORT,
        "host_key": "SHA256:" + "k" * 43, "labels": {"zone": "a"}})
    if verb == "remove": there.pop(name, None)
kept.write_text(json.dumps(there))
if verb == "list": print(json.dumps({"machines": {"type": "map", "value": there}}))
"""


def command_bench(folder: Path) -> Iterator[Bench]:
    """A program that keeps its machines in a file, with a greeting where they listen."""
    from platform_initializer.domain.description import SshLogin

    with greeter() as port:
        (folder / "machines.py").write_text(PROGRAM.replace("PORT", str(port)))
        words = {verb: (sys.executable, "machines.py", verb) for verb in ("list", "create", "remove")}
        maker = CommandMaker(words, folder, SshLogin("deploy", 22, ("k",)))
        yield Bench(maker, maker.make)


@contextmanager
def greeter() -> Iterator[int]:
    """Say what an SSH server says first, to whoever comes; nothing more."""
    import socketserver

    class Greeting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"SSH-2.0-test\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


class Nova(BaseHTTPRequestHandler):
    """As much of Keystone 3, Nova 2 and Neutron as making machines takes."""

    servers: dict[str, dict[str, Any]]
    token = "t0ken"

    def do_GET(self) -> None:
        if self.path.startswith("/v3"):
            self._say({"version": {"id": "v3"}})
        elif not self._is_known():
            self._say({"error": "unauthorized"}, 401)
        elif "/servers/detail" in self.path:
            self._say({"servers": list(self.servers.values())})
        elif "/servers/" in self.path:
            self._say({"server": self.servers[self.path.rsplit("/", 1)[-1]]})
        elif "/flavors" in self.path:
            self._say({"flavors": [
                {"id": f"f{ram}", "name": f"m{ram}", "ram": ram, "vcpus": cpus, "disk": 20, "swap": "",
                 "rxtx_factor": 1, "links": []}
                for ram, cpus in ((1024, 1), (4096, 2), (8192, 4))]})
        elif "/images" in self.path:
            self._say({"images": [{"id": "i1", "name": "debian-12", "metadata": {}, "links": [],
                                   "status": "active", "updated_at": "", "created_at": "", "updated": "",
                                   "created": "", "minDisk": 0, "minRam": 0}]})
        elif "/networks" in self.path:
            self._say({"networks": [{"id": "n1", "name": "lan", "status": "ACTIVE", "subnets": []}]})
        else:
            self._say({"error": self.path}, 404)

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/auth/tokens"):
            self._grant(told)
        elif not self._is_known():
            self._say({"error": "unauthorized"}, 401)
        else:
            assert told["server"]["user_data"], "a machine without a seed cannot be reached"
            server = told["server"]
            key = f"s{len(self.servers) + 1}"
            self.servers[key] = {
                "id": key, "name": server["name"], "status": "ACTIVE",
                "links": [{"rel": "self", "href": f"/servers/{key}"}],
                "metadata": server["metadata"], "image": {"id": "i1"}, "flavor": {"id": server["flavorRef"]},
                "addresses": {"lan": [{"addr": f"10.7.0.{len(self.servers) + 9}", "version": 4,
                                       "OS-EXT-IPS:type": "fixed"}]},
                "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z", "hostId": "h", "tenant_id": "p", "user_id": "u",
                "accessIPv4": "", "accessIPv6": "", "OS-EXT-STS:power_state": 1,
            }
            self._say({"server": {"id": key, "adminPass": "", "links": []}}, 202)

    def do_DELETE(self) -> None:
        self.servers.pop(self.path.rsplit("/", 1)[-1].split(".")[0], None)
        self.send_response(204)
        self.end_headers()

    def _grant(self, told: dict[str, Any]) -> None:
        if told["auth"]["identity"]["password"]["user"]["password"] != PASSWORD["ROTA_CLOUD_SECRET"]:
            self._say({"error": {"message": "wrong password"}}, 401)
            return
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        catalogue = [
            {"type": kind, "name": name, "id": name, "endpoints": [
                {"id": name, "interface": "public", "region": "one", "region_id": "one",
                 "url": f"{url}/{name}/v2"}]}
            for kind, name in (("compute", "nova"), ("network", "neutron"), ("image", "glance"))
        ]
        self._say({"token": {"expires_at": "2999-01-01T00:00:00.000000Z", "catalog": catalogue,
                             "user": {"id": "u", "name": "someone"}, "roles": [],
                             "project": {"id": "p"}, "issued_at": "2020-01-01T00:00:00.000000Z"}},
                  201, {"X-Subject-Token": self.token})

    def _is_known(self) -> bool:
        return self.headers.get("X-Auth-Token") == self.token

    def _say(self, what: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)),
                            **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def nova() -> Iterator[str]:
    """Yield the address of a Keystone whose Nova is empty."""
    handler = type("FreshNova", (Nova,), {"servers": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


BENCHES = {
    "docker": docker_bench, "qemu": qemu_bench, "ec2": ec2_bench, "openstack": openstack_bench,
    "command": command_bench,
}  # fmt: skip
