"""Real Kafka, MySQL and MariaDB servers in throwaway containers on free loopback ports.

Each context manager builds the image if need be, starts one container with credentials of its own,
waits until it is healthy, and removes it with its data at the end, whatever happened. A server can
be stopped, started, killed, paused and restarted in between: port, credentials and data stay.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OWNER_LABEL = "io.rota.test.owner"  # the process that started it: what its death leaves is removed
HEALTHY_WITHIN_S = 90.0


class ServerError(Exception):
    """A server did not become ready; the message carries the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One running server. `host:port` is reachable from this machine; `user` is its admin."""

    container: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def stop(self) -> None:
        """End it as its operator would (SIGTERM, 20 s)."""
        _docker("stop", "-t", "20", self.container)

    def start(self) -> None:
        """Start it again and wait until it is healthy."""
        _docker("start", self.container)
        wait_until_healthy(self.container)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill -9: nothing is flushed."""
        _docker("kill", "-s", "KILL", self.container)

    def pause(self) -> None:
        """Freeze it: its port accepts and nothing answers."""
        _docker("pause", self.container)

    def unpause(self) -> None:
        _docker("unpause", self.container)


class KafkaServer(Server):
    """A broker with SASL/SCRAM-SHA-512; no other login."""

    @property
    def client_settings(self) -> dict[str, str]:
        """What kafka-python's clients take as keywords."""
        return {
            "bootstrap_servers": self.address,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }


class SqlServer(Server):
    """A MySQL or MariaDB server, its root allowed from anywhere."""


@contextmanager
def kafka() -> Iterator[KafkaServer]:
    """Yield a running single-node Kafka."""
    password, port = secrets.token_hex(12), free_port()
    with _secret_file(f"admin:{password}\n") as users:
        options = [
            "-p", f"127.0.0.1:{port}:9092", "-v", f"{users}:/run/rota/users:ro",
            "-e", "ROTA_KAFKA_USERS_FILE=/run/rota/users",
            "-e", f"ROTA_KAFKA_ADVERTISED=127.0.0.1:{port}",
        ]
        with _container("kafka", options) as name:
            yield KafkaServer(
                container=name, host="127.0.0.1", port=port, user="admin", password=password)


@contextmanager
def mysql() -> Iterator[SqlServer]:
    """Yield a running MySQL 9.7."""
    with _sql_server("mysql") as server:
        yield server


@contextmanager
def mariadb() -> Iterator[SqlServer]:
    """Yield a running MariaDB 10.11."""
    with _sql_server("mariadb") as server:
        yield server


@contextmanager
def _sql_server(image: str) -> Iterator[SqlServer]:
    password, port = secrets.token_hex(12), free_port()
    with _secret_file(password) as path:
        options = [
            "-p", f"127.0.0.1:{port}:3306", "-v", f"{path}:/run/rota/root:ro",
            "-e", "ROTA_MYSQL_ROOT_PASSWORD_FILE=/run/rota/root",
            "-e", "ROTA_MYSQL_ROOT_HOST=%",
        ]
        with _container(image, options) as name:
            yield SqlServer(
                container=name, host="127.0.0.1", port=port, user="root", password=password)


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ensure_image(name: str) -> str:
    """Return the image's tag, having built it (and started dockerd) where it was missing."""
    subprocess.run(["bash", str(REPOSITORY / "scripts/ensure-docker.sh")], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "images.build", name], cwd=REPOSITORY, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    if done.returncode != 0:
        raise ServerError(f"image {name} could not be built:\n{done.stdout}")
    return f"rota/{name}:dev"


def wait_until_healthy(container: str) -> None:
    """Return when the container's own check passes; ServerError with its log when it does not."""
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while time.monotonic() < deadline:
        state = _docker("inspect", "-f", "{{.State.Status}} {{.State.Health.Status}}", container)
        if state == "running healthy":
            return
        if state.startswith("exited"):
            break
        time.sleep(0.1)
    log = subprocess.run(["docker", "logs", "--tail", "40", container], check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    raise ServerError(f"{container} is not healthy ({state}); the end of its log:\n{log}")


@contextmanager
def _container(image: str, options: list[str]) -> Iterator[str]:
    tag = ensure_image(image)
    _remove_what_the_dead_left()
    name = f"rota-test-{image}-{secrets.token_hex(4)}"
    began = time.monotonic()
    try:
        _docker("run", "-d", "--name", name, "--label", f"{OWNER_LABEL}={os.getpid()}",
                *options, tag)
        wait_until_healthy(name)
        print(f"{name} ready after {time.monotonic() - began:.1f} s", file=sys.stderr)
        yield name
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)


def _remove_what_the_dead_left() -> None:
    template = '{{.Names}} {{.Label "' + OWNER_LABEL + '"}}'
    listing = _docker("ps", "-a", "--filter", f"label={OWNER_LABEL}", "--format", template)
    for line in listing.splitlines():
        name, owner = line.split()
        if not Path(f"/proc/{owner}").exists():
            subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)


@contextmanager
def _secret_file(content: str) -> Iterator[Path]:
    """A file the container's user may read, in a folder that no other user here may enter."""
    folder = Path(tempfile.mkdtemp(prefix="rota-test-"))
    path = folder / "secret"
    path.write_text(content)
    path.chmod(0o444)
    try:
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
