"""The scheduler as processes of their own on a real MySQL and Kafka, and a hand on both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.bus.kafka import KafkaBus
from common.config import KafkaConfig, MySqlConfig
from common.db.migrate import migrate
from common.db.mysql import MySqlDatabase
from common.messages import (
    APP_INSTANCES,
    JOB_COMMANDS,
    JOB_EVENTS,
    DeploymentChanged,
    InstanceChanged,
    KillJob,
    StartJob,
    decode,
    encode,
    fixed_topics,
)
from common.schedule import load, spec_to_json
from common.secret import Secret
from tests.support import servers
from tests.support.scheduler_world import APP_QUERIES, CLEAN, MAKE


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a test of real time


def eventually(check: Callable[[], Any], within_s: float = 20.0) -> Any:
    """Return what `check` returns once it is true; fail with its last word otherwise."""
    deadline = time.monotonic() + within_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within_s} s: {found!r}"
        time.sleep(0.05)  # a process of its own has no signal for us


@dataclass
class Process:
    """One replica."""

    platform: Platform
    replica: str
    health_port: int = field(default_factory=servers.free_port)
    process: subprocess.Popen[bytes] | None = None
    module: str = "scheduler"

    def start(self, failpoint: str = "", **settings: str) -> Process:
        environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(servers.REPOSITORY),
            "ROTA_FAILPOINT": failpoint, "ROTA_REPLICA": self.replica,
            "ROTA_HEALTH_PORT": str(self.health_port), **self.platform.settings(), **settings,
        }  # fmt: skip
        log = self.platform.folder / f"{self.replica}.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module], env=environment, stdout=out, stderr=out,
                cwd=self.platform.folder,
            )  # fmt: skip
        return self

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, within_s: float = 30.0) -> int:
        assert self.process is not None
        return self.process.wait(within_s)

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_stopped(self) -> bool:
        """Tell whether it is frozen, as SIGSTOP leaves it."""
        assert self.process is not None
        state = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        return state.rpartition(")")[2].split()[0] == "T"

    def kill(self) -> None:
        if self.is_alive():
            self.send(signal.SIGKILL)
            self.wait()

    def metric(self, name: str) -> float:
        """Read one sample of /metrics; 0 while there is none."""
        try:
            url = f"http://127.0.0.1:{self.health_port}/metrics"
            with urllib.request.urlopen(url, timeout=2) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))

    def log(self) -> str:
        return (self.platform.folder / f"{self.replica}.log").read_text()


@dataclass
class Platform:
    """Servers with an empty ledger; every replica started here ends with it."""

    mysql: servers.SqlServer
    kafka: servers.KafkaServer
    folder: Path
    admin: MySqlDatabase = field(init=False)
    bus: KafkaBus = field(init=False)
    processes: list[Process] = field(default_factory=list)
    _read: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        root = MySqlConfig(self.mysql.host, self.mysql.port, self.mysql.user,
                           Secret(self.mysql.password))  # fmt: skip
        migrate(root, "rota_scheduler", "scheduler")
        self.admin = MySqlDatabase(replace(root, database="rota_scheduler"), APP_QUERIES)
        with self.admin.transaction() as transaction:
            for query in (*MAKE, *CLEAN):
                transaction.execute(query)
        kafka = KafkaConfig((self.kafka.address,), self.kafka.user, Secret(self.kafka.password))
        self.bus = KafkaBus(kafka, "test")
        self.bus.create_topics(fixed_topics())
        self.producer = self.bus.producer()
        self.consumer = self.bus.consumer(None)
        partitions = self.bus.partitions_of(JOB_COMMANDS)
        self.consumer.assign(partitions)
        for partition, end in self.consumer.end_offsets(partitions).items():
            self.consumer.seek(partition, end)

    def settings(self) -> dict[str, str]:
        return {
            "ROTA_KAFKA_BOOTSTRAP": self.kafka.address, "ROTA_KAFKA_USER": self.kafka.user,
            "ROTA_KAFKA_PASSWORD": self.kafka.password, "ROTA_MYSQL_HOST": self.mysql.host,
            "ROTA_MYSQL_PORT": str(self.mysql.port), "ROTA_MYSQL_USER": self.mysql.user,
            "ROTA_MYSQL_PASSWORD": self.mysql.password, "ROTA_SCHEDULER_LEASE_S": "1.5",
        }  # fmt: skip

    def replica(self, name: str) -> Process:
        process = Process(self, name)
        self.processes.append(process)
        return process

    def apply(self, body: str, version: int = 1, *, is_told: bool = True) -> datetime:
        """Let the application manager store instances; `{start}` is two seconds from now."""
        begin = (now() + timedelta(seconds=3)).replace(microsecond=0)
        body = body.replace("{start}", begin.strftime("%Y-%m-%dT%H:%M:%SZ"))
        loaded = load(f"version: 1\ndefaults: {{app: x}}\ninstances:\n{body}", "t.yml")
        assert loaded.problems == ()
        with self.admin.transaction() as transaction:
            for spec in loaded.instances:
                transaction.execute(
                    "put_instance", id=spec.id, version=version, spec=spec_to_json(spec),
                    command="[]", paused=False, deleted=False, applied_at=now(), updated_at=now(),
                )  # fmt: skip
        for spec in loaded.instances if is_told else ():
            message = InstanceChanged(instance_id=spec.id)
            self.producer.send(APP_INSTANCES, spec.id, encode(message)).wait(10)
        return begin

    def report(self, job_id: str, state: str, revision: int, **more: Any) -> None:
        news = {"attempt": 1, "node": "m1"} | more
        snapshot = DeploymentChanged(job_id=job_id, state=state, revision=revision, **news)  # type: ignore[arg-type]
        self.producer.send(JOB_EVENTS, job_id, encode(snapshot)).wait(10)

    def jobs(self) -> list[dict[str, Any]]:
        with self.admin.transaction() as transaction:
            return [dict(row) for row in transaction.all("jobs")]

    def has_schedule(self, name: str) -> bool:
        """Tell whether the scheduler has taken an instance."""
        with self.admin.transaction() as transaction:
            return bool(transaction.all("has_schedule", id=name))

    def replica_holds(self, name: str, shards: int) -> bool:
        with self.admin.transaction() as transaction:
            return len(transaction.all("held_by", owner=name)) == shards

    def commands(self) -> list[tuple[Any, datetime]]:
        """Return all commands so far with the broker's time of each."""
        while records := self.consumer.poll(0.2, 5000):
            for record in records:
                at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
                self._read.append((decode(JOB_COMMANDS, record.value), at))
        return self._read

    def starts(self) -> list[StartJob]:
        return [message for message, _ in self.commands() if isinstance(message, StartJob)]

    def kills(self) -> list[KillJob]:
        return [message for message, _ in self.commands() if isinstance(message, KillJob)]

    def close(self) -> None:
        for process in self.processes:
            if process.is_alive():
                process.send(signal.SIGCONT)
            process.kill()
        self.bus.close()
        self.admin.close()


@contextmanager
def platform_on(
    mysql: servers.SqlServer, kafka: servers.KafkaServer, folder: Path
) -> Iterator[Platform]:
    platform = Platform(mysql, kafka, folder)
    try:
        yield platform
    finally:
        platform.close()


@pytest.fixture
def platform(
    mysql_server: servers.SqlServer, kafka_server: servers.KafkaServer, tmp_path: Path
) -> Iterator[Platform]:
    with platform_on(mysql_server, kafka_server, tmp_path) as platform:
        yield platform
