"""Figures of the application manager on real MySQL and Kafka, in throwaway containers.

``python -m benchmarks.application_manager [--jobs 1000000]`` prints JSON: resident memory, apply of
1,000 instances, API lists with many jobs in the ledger, the read of usual lengths that the timeline
makes every five minutes, and what 100 readers of the stream cost.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from application_manager.dashboard.curve import USUAL_OF, USUAL_OVER
from application_manager.migrations import DATABASE as USER
from application_manager.migrations import GRANTS
from common.bus.kafka import KafkaBus
from common.clock import SystemClock
from common.config import KafkaConfig, MySqlConfig
from common.db.migrate import ensure_user, migrate
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries, parse_queries
from common.messages import fixed_topics
from common.secret import Secret
from tests.support import servers

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = {"rota_scheduler": "scheduler", "rota_deployer": "deployment_manager",
            "rota_nodes": "node_manager", "rota_app": "application_manager"}  # fmt: skip
INSTANCES = 1000
READERS = 100
STREAM_S = 15.0
_FILL = """
-- name: put_jobs
INSERT INTO rota_scheduler.jobs (job_id, instance_id, due, ordinal, shard, version, state, node,
  start_by, not_before, started_at, ended_at, created_at, updated_at)
VALUES (%(job_id)s, %(instance)s, %(due)s, 0, 0, 1, %(state)s, %(node)s, %(due)s, %(due)s,
  %(started)s, %(ended)s, %(due)s, %(due)s);
-- name: put_event
INSERT INTO rota_scheduler.job_events (job_id, attempt, at, from_state, to_state)
VALUES (%(job_id)s, 1, UTC_TIMESTAMP(6), 'QUEUED', 'RUNNING');
"""


@dataclass(frozen=True)
class Bench:
    """A running application manager."""

    process: subprocess.Popen[bytes]
    port: int
    token: str
    fill: MySqlDatabase
    screens: MySqlDatabase

    def call(self, method: str, path: str, body: object = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        text = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1{path}", text, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {content}")
        return content

    def resident_mb(self) -> float:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    count = parser.parse_args().jobs
    figures: dict[str, Any] = {"jobs": count}
    with running() as bench:
        figures["resident_mb_at_start"] = round(bench.resident_mb(), 1)
        figures["apply_1000_s"] = _apply(bench)
        _fill(bench, count)
        figures["lists_ms"] = _lists(bench)
        figures["usual_lengths_ms"] = _usual_lengths(bench)
        figures["stream"] = _stream(bench)
        figures["resident_mb_at_end"] = round(bench.resident_mb(), 1)
    print(json.dumps(figures, indent=2))


@contextmanager
def running() -> Iterator[Bench]:
    """Start servers and the service; remove everything at the end."""
    with servers.mysql() as mysql, servers.kafka() as kafka, tempfile.TemporaryDirectory() as home:
        admin = MySqlConfig(mysql.host, mysql.port, mysql.user, Secret(mysql.password))
        for database, package in PACKAGES.items():
            migrate(admin, database, package)
        password, token = secrets.token_hex(12), secrets.token_hex(12)
        ensure_user(admin, USER, Secret(password), GRANTS)
        bus = KafkaBus(KafkaConfig((kafka.address,), kafka.user, Secret(kafka.password)), "bench")
        bus.create_topics(fixed_topics())
        bus.close()
        port = servers.free_port()
        environment = {
            **os.environ, "ROTA_HTTP_PORT": str(port), "ROTA_MYSQL_USER": USER,
            "ROTA_MYSQL_HOST": mysql.host, "ROTA_MYSQL_PORT": str(mysql.port),
            "ROTA_KAFKA_BOOTSTRAP": kafka.address, "ROTA_KAFKA_USER": kafka.user,
            "ROTA_MYSQL_PASSWORD": password, "ROTA_KAFKA_PASSWORD": kafka.password,
            "ROTA_API_TOKEN": token,
        }  # fmt: skip
        command = [sys.executable, "-m", "application_manager"]
        log = Path(home, "log").open("w")  # noqa: SIM115 - closed with the process
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log)
        fill = MySqlDatabase(replace(admin, database="rota_scheduler"), parse_queries(_FILL))
        screens = MySqlDatabase(replace(admin, database="rota_app"),
                                load_queries("application_manager.dashboard"))  # fmt: skip
        bench = Bench(process, port, token, fill, screens)
        try:
            _wait_until_up(bench)
            yield bench
        finally:
            process.terminate()
            process.wait(30)
            fill.close()
            screens.close()


def _wait_until_up(bench: Bench) -> None:
    for _ in range(200):
        try:
            bench.call("GET", "/me")
        except (OSError, RuntimeError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the application manager does not come up")


def _apply(bench: Bench) -> float:
    lines = ["version: 1", "instances:"]
    for number in range(INSTANCES):
        lines += [f"  - id: i-{number:04d}", "    app: rota/demo-app:dev",
                  "    schedule: {start: 2026-03-02T00:00:00Z, interval: 1h}"]  # fmt: skip
    body = {"files": [{"name": "bench.yml", "text": "\n".join(lines) + "\n"}]}
    began = time.perf_counter()
    done = bench.call("POST", "/schedules/apply", body)
    took = time.perf_counter() - began
    if done["added"] != INSTANCES:
        raise RuntimeError(f"{done['added']} instances were added")
    return round(took, 3)


def _fill(bench: Bench, count: int) -> None:
    newest = SystemClock().now().replace(second=0, microsecond=0)
    begin = newest - timedelta(minutes=-(-count // INSTANCES))
    states = ("SUCCEEDED", "SUCCEEDED", "ENDED", "FAILED", "MISSED")
    for start in range(0, count, 20_000):
        rows = []
        for number in range(start, min(count, start + 20_000)):
            due = begin + timedelta(seconds=number // INSTANCES * 60)
            instance = f"i-{number % INSTANCES:04d}"
            job_id = f"{instance}.{due:%Y%m%dT%H%M%SZ}.0"
            state = states[(number + number // INSTANCES) % 5]  # each instance has all of them
            ran = (due, due + timedelta(seconds=9)) if state != "MISSED" else (None, None)
            rows.append({
                "job_id": job_id, "instance": instance, "due": due, "state": state,
                "node": f"m{number % 50}", "started": ran[0], "ended": ran[1],
            })  # fmt: skip
        with bench.fill.transaction() as transaction:
            transaction.execute_many("put_jobs", rows)


def _lists(bench: Bench) -> dict[str, dict[str, float]]:
    far = bench.call("GET", "/jobs?limit=1000")["next_cursor"]
    paths = {
        "jobs": "/jobs?limit=100",
        "jobs of an instance": "/jobs?limit=100&instance=i-0500",
        "jobs that failed": "/jobs?limit=100&state=FAILED",
        "jobs of a node": "/jobs?limit=100&node=m7",
        "jobs of four bad states": "/jobs?limit=100&state=FAILED&state=LOST&state=TIMED_OUT"
                                   "&state=UPSTREAM_FAILED",
        "jobs of a node without any": "/jobs?limit=100&node=m99",
        "failed jobs of a node": "/jobs?limit=100&node=m7&state=FAILED",
        "failed jobs of an instance": "/jobs?limit=100&instance=i-0500&state=FAILED",
        "running jobs (none)": "/jobs?limit=100&state=RUNNING",
        "a page further on": f"/jobs?limit=100&cursor={far}",
        "missed jobs, a page further on": f"/jobs?limit=100&state=MISSED&cursor={far}",
        "schedules": "/schedules?limit=100",
        "nodes": "/nodes",
    }
    return {name: _percentiles(partial(bench.call, "GET", path)) for name, path in paths.items()}


def _usual_lengths(bench: Bench) -> dict[str, float]:
    """Time the query itself: the service keeps its answer."""
    now = SystemClock().now()

    def read() -> None:
        with bench.screens.transaction() as transaction:
            rows = transaction.all(
                "typical_lengths", since=now - USUAL_OVER, now=now, limit=USUAL_OF
            )
        if len(rows) != INSTANCES:
            raise RuntimeError(f"lengths of {len(rows)} instances were read")

    return _percentiles(read, times=10)


def _percentiles(call: Callable[[], object], times: int = 100) -> dict[str, float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return {"p50": round(took[times // 2], 1), "p99": round(took[times * 99 // 100 - 1], 1)}


def _stream(bench: Bench) -> dict[str, float]:
    """Ten job events a second, read by 100 browsers."""
    received = [0] * READERS
    stop = threading.Event()

    def read(index: int) -> None:
        connection = HTTPConnection("127.0.0.1", bench.port, timeout=60)
        headers = {"Authorization": f"Bearer {bench.token}"}
        connection.request("GET", "/api/v1/stream", headers=headers)
        answer = connection.getresponse()
        while not stop.is_set():
            received[index] += answer.read1(65536).count(b"event: job")
        connection.close()

    readers = [threading.Thread(target=read, args=(n,), daemon=True) for n in range(READERS)]
    rows = [{"job_id": job["job_id"]} for job in bench.call("GET", "/jobs?limit=10")["items"]]
    for reader in readers:
        reader.start()
    time.sleep(5)
    before, began, told = bench.cpu_s(), time.perf_counter(), 0
    while time.perf_counter() - began < STREAM_S:
        with bench.fill.transaction() as transaction:
            for row in rows:
                transaction.execute("put_event", **row)
        told += len(rows)
        time.sleep(1)
    took, spent = time.perf_counter() - began, bench.cpu_s() - before
    time.sleep(3)
    stop.set()
    if min(received) < told:
        raise RuntimeError(f"of {told} events a reader got {min(received)}")
    return {"readers": READERS, "events": told, "fewest_received": min(received),
            "core_percent": round(100 * spent / took, 1)}  # fmt: skip


if __name__ == "__main__":
    main()
