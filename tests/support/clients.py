"""A platform client as a process of its own, on the real Docker Engine, and a bus to talk to it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common.bus import Bus
from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.config import KafkaConfig
from common.messages import (
    NODE_EVENTS,
    NODE_HEARTBEATS,
    ContainerChanged,
    NodeHeartbeat,
    RunSpec,
    StartContainer,
    encode,
    fixed_topics,
    key_of,
    node_commands,
    node_topics,
)
from common.messages.envelope import Message
from common.secret import Secret
from tests.support import servers

IMAGE = "rota/demo-app:dev"


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a test of real time


def kafka_config(server: servers.KafkaServer) -> KafkaConfig:
    return KafkaConfig((server.address,), server.user, Secret(server.password))


@dataclass
class ClientProcess:
    """One client; `start` after `kill` is a restart with the same journal."""

    server: servers.KafkaServer
    folder: Path
    node_id: str
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    log_port: int = field(default_factory=servers.free_port)
    health_port: int = field(default_factory=servers.free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    argv: tuple[str, ...] = ("-m", "node_manager.client")

    def start(self, **extra: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "ROTA_PLATFORM": "test",
            "ROTA_KAFKA_BOOTSTRAP": self.server.address,
            "ROTA_KAFKA_USER": self.server.user,
            "ROTA_KAFKA_PASSWORD": self.server.password,
            "ROTA_CLIENT_NODE_ID": self.node_id,
            "ROTA_CLIENT_ADDRESS": "127.0.0.1",
            "ROTA_CLIENT_BIND": "127.0.0.1",
            "ROTA_CLIENT_PORT": str(self.log_port),
            "ROTA_CLIENT_LABELS": json.dumps({"zone": "a"}),
            "ROTA_CLIENT_TOKEN": self.token,
            "ROTA_CLIENT_JOURNAL": str(self.folder / "journal"),
            "ROTA_HEALTH_PORT": str(self.health_port),
            **self.environment, **extra,
        }  # fmt: skip
        with (self.folder / "client.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.argv], cwd=servers.REPOSITORY,
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self) -> None:
        """Kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def wait_for_crash(self, timeout_s: float = 20.0) -> None:
        """Return when a failpoint has killed it."""
        assert self.process is not None
        assert self.process.wait(timeout_s) == -signal.SIGKILL

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def log(self) -> str:
        return (self.folder / "client.log").read_text()


class Listener:
    """Collects what one client tells."""

    def __init__(self, bus: Bus, node_id: str) -> None:
        self._node_id = node_id
        self.producer = bus.producer()
        self.events: list[ContainerChanged] = []
        self.heard_at: list[datetime] = []
        self.beats: list[NodeHeartbeat] = []
        self._receivers = [
            Receiver(bus, self.producer, None, NODE_EVENTS, self._take),
            Receiver(bus, self.producer, None, NODE_HEARTBEATS, self._take),
        ]

    def _take(self, batch: Any) -> None:
        for received in batch:
            if received.message.node_id != self._node_id:
                continue
            if isinstance(received.message, ContainerChanged):
                self.events.append(received.message)
                self.heard_at.append(now())
            elif isinstance(received.message, NodeHeartbeat):
                self.beats.append(received.message)

    def send(self, node_id: str, message: Message) -> None:
        self.producer.send(node_commands(node_id), key_of(message), encode(message)).wait(10)

    def of(self, job_id: str) -> list[ContainerChanged]:
        return [event for event in self.events if event.job_id == job_id]

    def wait(self, found: Callable[[], Any], timeout_s: float = 30.0) -> Any:
        """Read until `found` returns something true; its value is returned."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            value = found()
            if value:
                return value
            for receiver in self._receivers:
                receiver.run_once(0.01)
        raise AssertionError(f"not heard within {timeout_s} s; heard {self.events[-5:]}")

    def wait_for(self, job_id: str, state: str, timeout_s: float = 30.0) -> ContainerChanged:
        found = self.wait(
            lambda: [event for event in self.of(job_id) if event.state == state], timeout_s)
        event: ContainerChanged = found[-1]
        return event

    def close(self) -> None:
        for receiver in self._receivers:
            receiver.close()
        self.producer.close()


def start_of(node_id: str, job_id: str, *command: str, **fields: Any) -> StartContainer:
    """Write a start of the demo application, due now unless `fields` say otherwise."""
    spec = RunSpec(image=fields.pop("image", IMAGE), command=command, **fields.pop("spec", {}))
    due = fields.pop("due", None) or now()
    return StartContainer(
        node_id=node_id, job_id=job_id, attempt=fields.pop("attempt", 1),
        epoch=fields.pop("epoch", 1), instance_id=job_id.split(".", maxsplit=1)[0], due=due, ordinal=0,
        not_before=due, expires_at=fields.pop("expires_at", due + timedelta(minutes=5)),
        spec=spec, **fields,
    )  # fmt: skip


@contextmanager
def client_on(server: servers.KafkaServer, folder: Path) -> Iterator[tuple[ClientProcess, Listener]]:
    """Yield a client that is not started yet and a listener; remove its containers at the end."""
    servers.ensure_image("demo-app")
    node_id = f"test-{secrets.token_hex(4)}"
    bus = KafkaBus(kafka_config(server), "test")
    bus.create_topics([*fixed_topics(), *node_topics(node_id)])
    client, listener = ClientProcess(server, folder, node_id), Listener(bus, node_id)
    try:
        yield client, listener
    finally:
        if client.process is not None and client.process.poll() is None:
            client.kill()
        listener.close()
        bus.close()
        remove_containers_of(node_id)


def containers_of(node_id: str, *options: str) -> list[str]:
    """List the ids of a client's containers."""
    done = subprocess.run(
        ["docker", "ps", "-q", "-a", "--no-trunc", *options, "--filter",
         f"label=io.rota.node={node_id}"], capture_output=True, text=True, check=True)  # fmt: skip
    return done.stdout.split()


def remove_containers_of(node_id: str) -> None:
    found = containers_of(node_id)
    if found:
        subprocess.run(["docker", "rm", "-f", "-v", *found], capture_output=True, check=False)


def inspect(container: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "inspect", container], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
