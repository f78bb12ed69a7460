"""The ground that every benchmark of the scheduler stands on: servers, rows, processes, the topic.

Servers are the integration tests' throwaway containers, with full durability. The scheduler is a
process of its own, started as in production. Time is the broker's (LogAppendTime).
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.processors import seconds_of_container, seconds_of_process
from common.bus import TopicSpec
from common.bus.kafka import KafkaBus
from common.config import KafkaConfig, MySqlConfig
from common.db.migrate import migrate
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries, parse_queries
from common.jobs import shard_of
from common.messages import JOB_COMMANDS, StartJob, decode, fixed_topics
from common.schedule import InstanceSpec, Recurrence, spec_to_json
from common.secret import Secret
from tests.support import servers

QUERIES = parse_queries("""
-- name: put
INSERT INTO schedules (instance_id, shard, version, spec, image, command, state, next_due,
  applied_at, updated_at)
VALUES (%(id)s, %(shard)s, 1, %(spec)s, 'registry/app:1.4', '["python", "-m", "app"]', 'active',
  %(due)s, '2026-01-01', '2026-01-01');
-- name: multiply
INSERT INTO schedules (instance_id, shard, version, spec, image, command, state, next_due,
  applied_at, updated_at)
SELECT CONCAT(%(prefix)s, instance_id), shard, version, spec, image, command, state, next_due,
  applied_at, updated_at FROM schedules WHERE instance_id LIKE 'far-%' LIMIT %(limit)s;
-- name: make_app
CREATE DATABASE IF NOT EXISTS rota_app;
-- name: make_instances
CREATE TABLE IF NOT EXISTS rota_app.instances (instance_id VARCHAR(62) PRIMARY KEY, version INT,
  spec JSON, image VARCHAR(255), command JSON, paused BOOL, deleted BOOL, applied_at DATETIME(6),
  updated_at DATETIME(6), INDEX by_updated (updated_at));
-- name: make_pauses
CREATE TABLE IF NOT EXISTS rota_app.pauses (change_id BIGINT AUTO_INCREMENT PRIMARY KEY,
  instance_id VARCHAR(62), is_paused BOOL, changed_at DATETIME(6),
  INDEX by_instance (instance_id, changed_at));
-- name: make_requests
CREATE TABLE IF NOT EXISTS rota_app.job_requests (request_id BIGINT AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(16), instance_id VARCHAR(62), job_id VARCHAR(120), due DATETIME(6), forced BOOL,
  requested_by VARCHAR(64), requested_at DATETIME(6));
-- name: count_jobs
SELECT COUNT(*) AS jobs, COUNT(DISTINCT job_id) AS ids FROM jobs;
-- name: count_schedules
SELECT COUNT(*) AS schedules FROM schedules;
-- name: held_by
SELECT COUNT(*) AS shards FROM shards WHERE owner = %(owner)s AND expires_at > UTC_TIMESTAMP(6);
""")


FAR_AT_ONCE = 20_000
SILENT_S = 3.0


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a benchmark is about real time


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def specs(
    count: int, first: datetime, interval_s: int, prefix: str = "site"
) -> Iterator[InstanceSpec]:
    """Make instances that are first due at one instant."""
    for number in range(count):
        yield InstanceSpec(
            id=f"{prefix}-{number:07d}-heating", app="heating-control", env={"MODE": "eco"},
            place=f"hostel-{number % 1000}", sensors={"temperature": f"th-{number}"},
            cpus=0.5, memory_bytes=134217728,
            schedule=Recurrence(
                form="every", start=first, step=interval_s, duration_s=300),
        )  # fmt: skip


@dataclass
class Replica:
    """One scheduler process."""

    process: subprocess.Popen[bytes]
    started_at: datetime
    log: Path

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def resident_mb(self) -> float:
        """Return the memory it has in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@dataclass
class Rig:
    """Servers for one run, and what is done with them."""

    mysql: servers.SqlServer
    kafka: servers.KafkaServer
    folder: Path
    replicas: list[Replica] = field(default_factory=list)

    def __post_init__(self) -> None:
        root = MySqlConfig(self.mysql.host, self.mysql.port, self.mysql.user,
                           Secret(self.mysql.password))  # fmt: skip
        migrate(root, "rota_scheduler", "scheduler")
        config = replace(root, database="rota_scheduler")
        self.database = MySqlDatabase(config, QUERIES)
        self.ledger = MySqlDatabase(config, load_queries("scheduler"))
        with self.database.transaction() as transaction:
            for query in ("make_app", "make_instances", "make_pauses", "make_requests"):
                transaction.execute(query)
        kafka = KafkaConfig((self.kafka.address,), self.kafka.user, Secret(self.kafka.password))
        self.bus = KafkaBus(kafka, "benchmark")
        stamped = {"message.timestamp.type": "LogAppendTime"}
        self.bus.create_topics([TopicSpec(JOB_COMMANDS, 16, retention=stamped)])
        self.bus.create_topics(fixed_topics())

    def put(self, instances: Iterable[InstanceSpec], spread_over_s: float = 0.0) -> int:
        """Write schedules as if they had been there for long.

        The language counts in whole seconds; what is stored does not: with `spread_over_s` the
        due times are spread evenly from the specs' first one on, at whole milliseconds.
        """
        count = 0
        for some in _portions(instances, 10_000):
            rows = [
                {"id": s.id, "shard": shard_of(s.id), "spec": spec_to_json(s),
                 "due": _due_of(s, spread_over_s * number / len(some))}
                for number, s in enumerate(some)
            ]  # fmt: skip
            with self.database.transaction() as transaction:
                transaction.execute_many("put", rows)
            count += len(rows)
        return count

    def put_far(self, count: int, due: datetime) -> None:
        """Write schedules that are there and not due: a few by hand, the rest multiplied there."""
        first = min(count, FAR_AT_ONCE)
        self.put(specs(first, due, 86400, "far"))
        for number in range(1, -(-count // FAR_AT_ONCE)):
            limit = min(FAR_AT_ONCE, count - number * FAR_AT_ONCE)
            with self.database.transaction() as transaction:
                transaction.execute("multiply", prefix=f"n{number}-", limit=limit)

    def start(self, name: str = "one", **settings: str) -> Replica:
        environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(servers.REPOSITORY),
            "ROTA_REPLICA": name, "ROTA_KAFKA_BOOTSTRAP": self.kafka.address,
            "ROTA_KAFKA_USER": self.kafka.user, "ROTA_KAFKA_PASSWORD": self.kafka.password,
            "ROTA_MYSQL_HOST": self.mysql.host, "ROTA_MYSQL_PORT": str(self.mysql.port),
            "ROTA_MYSQL_USER": self.mysql.user, "ROTA_MYSQL_PASSWORD": self.mysql.password,
            **settings,
        }  # fmt: skip
        log = self.folder / f"{name}-{len(self.replicas)}.log"
        with log.open("wb") as out:
            began = now()
            process = subprocess.Popen(
                [sys.executable, "-m", "scheduler"], env=environment, stdout=out, stderr=out,
                cwd=self.folder,
            )  # fmt: skip
        self.replicas.append(Replica(process, began, log))
        return self.replicas[-1]

    def wait_held(self, name: str, shards: int) -> None:
        while True:
            with self.database.transaction() as transaction:
                row = transaction.one("held_by", owner=name)
            if row and row["shards"] >= shards:
                return
            time.sleep(0.05)

    def count(self, query: str) -> int:
        with self.database.transaction() as transaction:
            row = transaction.one(query)
        return int(next(iter(row.values()))) if row else 0

    def wait_commands(self, count: int, timeout_s: float = 300.0) -> None:
        """Wait until so many records are on the commands' topic and no more come, unread.

        Hints (PrepareJob) are among them: the starts are counted when all are read.
        """
        consumer = self.bus.consumer(None)
        partitions = self.bus.partitions_of(JOB_COMMANDS)
        consumer.assign(partitions)
        deadline, there, since = time.monotonic() + timeout_s, -1, 0.0
        while there < count or time.monotonic() - since < SILENT_S:
            time.sleep(0.2)
            now_there = sum(consumer.end_offsets(partitions).values())
            if now_there != there:
                there, since = now_there, time.monotonic()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{there} of {count} commands after {timeout_s} s")
        consumer.close()

    def commands(self) -> list[tuple[StartJob, datetime]]:
        """Read all start commands with the broker's time of each."""
        consumer = self.bus.consumer(None)
        partitions = self.bus.partitions_of(JOB_COMMANDS)
        consumer.assign(partitions)
        left = sum(consumer.end_offsets(partitions).values())
        found = []
        while left > 0:
            for record in consumer.poll(1.0, 5000):
                left -= 1
                message = decode(JOB_COMMANDS, record.value)
                at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
                if isinstance(message, StartJob):
                    found.append((message, at))
        consumer.close()
        return found

    def processor_s(self) -> dict[str, float]:
        """Return the processor time that each server and the running replicas have used."""
        running = [one.process.pid for one in self.replicas if one.process.poll() is None]
        return {
            "mysql": seconds_of_container(self.mysql.container),
            "kafka": seconds_of_container(self.kafka.container),
            "scheduler": sum(map(seconds_of_process, running)),
        }

    def close(self) -> None:
        for replica in self.replicas:
            replica.kill()
        self.bus.close()
        self.database.close()
        self.ledger.close()


@contextmanager
def new_rig() -> Iterator[Rig]:
    """Start servers, and end all that ran on them."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        mysql = stack.enter_context(servers.mysql())
        rig = Rig(mysql, stack.enter_context(servers.kafka()), Path(folder))
        try:
            yield rig
        finally:
            rig.close()


def result(name: str, size: int, figures: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Put a result together; `figures` has ours and limit as lists, one each run, and the unit."""
    ours, limit = figures["ours"], figures["limit"]
    middle, bound = statistics.median(ours), statistics.median(limit)
    return {
        "id": name, "size": size, "ours": round(middle, 3), "limit": round(bound, 3),
        "ratio_to_limit": round(middle / bound, 3) if bound else None, "unit": figures["unit"],
        "spread": round(max(ours) - min(ours), 3), **more,
    }  # fmt: skip


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _due_of(spec: InstanceSpec, later_s: float) -> datetime | None:
    start = spec.schedule.start if spec.schedule else None
    return start and start + timedelta(milliseconds=round(1000 * later_s))


def _portions(instances: Iterable[InstanceSpec], size: int) -> Iterator[list[InstanceSpec]]:
    some: list[InstanceSpec] = []
    for spec in instances:
        some.append(spec)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
