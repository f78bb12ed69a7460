"""A real sshd on loopback for the contract suite, with host and user keys of its own."""

import getpass
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import free_port

SSHD = Path("/usr/sbin/sshd")


@dataclass
class Sshd:
    folder: Path
    port: int
    process: subprocess.Popen

    @property
    def user(self) -> str:
        return getpass.getuser()

    def key(self, kind: str = "ed25519") -> str:
        return str(self.folder / f"user_{kind}")

    def fingerprint(self, kind: str = "ed25519") -> str:
        line = _run("ssh-keygen", "-l", "-f", str(self.folder / f"host_{kind}.pub"))
        return line.split()[1]


def ensure_sshd() -> None:
    if not SSHD.exists():
        _run("apt-get", "update")
        _run("apt-get", "install", "-y", "--no-install-recommends", "openssh-server")
    Path("/run/sshd").mkdir(exist_ok=True)


@contextmanager
def sshd(*options: str, host_keys=("ed25519", "rsa")) -> Iterator[Sshd]:
    """Run one sshd; `options` are lines of its configuration."""
    ensure_sshd()
    folder = Path(tempfile.mkdtemp(prefix="rota-sshd-"))
    try:
        port = free_port()
        _write_configuration(folder, port, options, host_keys)
        process = subprocess.Popen(
            [str(SSHD), "-D", "-f", str(folder / "config"), "-E", str(folder / "log")])
        try:
            _wait_for(port, folder)
            yield Sshd(folder, port, process)
        finally:
            process.terminate()
            process.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_configuration(folder, port, options, host_keys):
    for kind in host_keys:
        _run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / f"host_{kind}"))
    for kind in ("ed25519", "rsa", "ecdsa"):
        _run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / f"user_{kind}"))
    public = [(folder / f"user_{k}.pub").read_text() for k in ("ed25519", "rsa", "ecdsa")]
    (folder / "authorized_keys").write_text("".join(public))
    lines = [
        f"Port {port}", "ListenAddress 127.0.0.1", "PasswordAuthentication no",
        "KbdInteractiveAuthentication no", "UsePAM no", "StrictModes no", "PidFile none",
        "PermitRootLogin yes", "MaxSessions 20", f"AuthorizedKeysFile {folder}/authorized_keys",
        *(f"HostKey {folder}/host_{kind}" for kind in host_keys), *options,
    ]
    (folder / "config").write_text("\n".join(lines) + "\n")


def _wait_for(port, folder):
    import socket

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError((folder / "log").read_text())


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
