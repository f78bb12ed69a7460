"""B6 placement: how many durable placements a second, against bare multi-row SQL.

The deployment manager's own command handler, as its Kafka poll calls it (2,000 messages at most),
on a real MySQL with full durability (binary log and redo log synced at each commit): inbox look-up,
choice among `size / 10` nodes, deployment row with command and explanation, reservation, commit;
then the start command and the snapshot are encoded and handed to a producer that only counts. One
job in a hundred is standalone. That Kafka has them is marked in the rows later, and not in this
time: when a client answers, the row is written anew anyway. The limit is the same rows, their SQL
text ready beforehand, sent in transactions as large on one connection. Arms in turn, both on empty
tables; the median is told.
"""

from __future__ import annotations

import gc
import os
import random
import secrets
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.quality import CPUS, MEMORY, max_over_mean
from common import logs
from common.bus import Partition, Record
from common.bus.receive import Received
from common.clock import SystemClock
from common.config import MySqlConfig
from common.db.connection import close_quietly, connect
from common.db.mysql import MANY_ROWS, MySqlDatabase
from common.db.queries import load_queries
from common.messages import (
    JOB_COMMANDS,
    NODES,
    NodeChanged,
    NodeLoad,
    NodeState,
    RunSpec,
    StartJob,
    decode,
    encode,
)
from common.secret import Secret
from deployment_manager import store
from deployment_manager.__main__ import COMMANDS_A_ROUND, GC_THRESHOLDS
from deployment_manager.reconcile import Reconciler
from deployment_manager.service import Deployer
from tests.support import servers

SIZE = 100_000
POLL = COMMANDS_A_ROUND
ARMS = 5
STANDALONE_EACH = 100


def run(size: int) -> dict[str, Any]:
    """Measure; `size` is the number of jobs."""
    logs.configure("bench", level="ERROR")
    with servers.mysql() as server:
        world = _World(server, size)
        ours: list[float] = []
        limits: list[float] = []
        cpu_us: list[float] = []
        for arm in range(ARMS):
            limits.append(world.bare_sql())
            ours.append(world.place())
            cpu_us.append(world.cpu_us)
            print(f"arm {arm}: {ours[-1]:,.0f}/s, bare SQL {limits[-1]:,.0f}/s", file=sys.stderr)
        checks = world.check()
    ways = ("ours", "two_choices", "random", "online", "offline")
    quality = {way: round(max_over_mean(size // 10, size, way), 4) for way in ways}
    best, limit = statistics.median(ours), statistics.median(limits)
    return {
        "id": "b6", "size": size, "unit": "placements/s", "ours": round(best),
        "limit": round(limit), "ratio_to_limit": round(best / limit, 3),
        "spread": [round(min(ours)), round(max(ours))],
        "limit_spread": [round(min(limits)), round(max(limits))],
        "nodes": size // 10, "poll": POLL, "cpu_us_each": round(statistics.median(cpu_us), 1),
        "max_over_mean": quality, **checks,
    }  # fmt: skip


class _Nowhere:
    """A producer that only counts; its records are durable at once."""

    def __init__(self) -> None:
        self.sent: Counter[bool] = Counter()

    def send(self, topic: str, _key: str | None, _value: bytes) -> _Nowhere:
        self.sent[topic.startswith("node.")] += 1
        return self

    def wait(self, timeout_s: float) -> None:
        """It is there."""

    def close(self) -> None:
        """Nothing is open."""


class _World:
    def __init__(self, server: servers.SqlServer, size: int) -> None:
        self._server, self._size = server, size
        self._password = secrets.token_hex(12)
        self._migrate()
        self._config = MySqlConfig(
            server.host, server.port, "rota_deployer", Secret(self._password), "rota_deployer"
        )
        self._database = MySqlDatabase(self._config, load_queries("deployment_manager"))
        self._batches = _batches(size)
        self._last: Deployer | None = None
        self.cpu_us = 0.0

    def place(self) -> float:
        """Let a new deployment manager place all; return placements per second."""
        self._empty()
        producer, clock = _Nowhere(), SystemClock()
        deployer = Deployer(self._database, producer, clock)
        reconciler = Reconciler(deployer, clock)
        reconciler.receive_nodes(_nodes(self._size // 10))
        reconciler.receive_loads(_loads(self._size // 10))
        deployer.ensure_loaded()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)  # as the service runs
        began, cpu_began = time.perf_counter(), time.process_time()
        for batch in self._batches:
            deployer.receive_commands(batch)
        took_s = time.perf_counter() - began
        self.cpu_us = (time.process_time() - cpu_began) / self._size * 1e6
        placed = sum(1 for one in deployer.fleet.live.values() if one.state == "STARTING")
        if placed != self._size:
            raise RuntimeError(f"placed {placed} of {self._size}")
        self._last = deployer
        return self._size / took_s

    def bare_sql(self) -> float:
        """Send the rows of the last run again as ready text; of the first, one made for it."""
        if self._last is None:
            self.place()
        statements = self._ready_statements()
        self._empty()
        connection = connect(self._config)
        began = time.perf_counter()
        for statement in statements:
            with connection.cursor() as cursor:
                cursor.execute(statement)
            connection.commit()
        took_s = time.perf_counter() - began
        close_quietly(connection)
        return self._size / took_s

    def check(self) -> dict[str, Any]:
        """Look for what must not be: a job without its row, a node with a job too many."""
        rows = self._query(
            "SELECT COUNT(*), COUNT(DISTINCT job_id), SUM(node IS NOT NULL) FROM deployments"
        )[0]
        violations = self._query(
            "SELECT COUNT(*) FROM standalone_reservations r JOIN deployments d ON d.node = r.node "
            "WHERE d.job_id <> r.job_id"
        )[0][0]
        standalone = self._query("SELECT COUNT(*) FROM standalone_reservations")[0][0]
        if [int(one) for one in rows] != [self._size] * 3 or violations:
            raise RuntimeError(f"rows {rows}, violations {violations}")
        return {"standalone": standalone, "standalone_violations": violations}

    def _ready_statements(self) -> list[bytes]:
        assert self._last is not None  # noqa: S101 - bare_sql saw to it
        now = datetime(2026, 1, 1, tzinfo=UTC)
        rows = [store._placed_row(one, now) for one in self._last.fleet.live.values()]  # noqa: SLF001
        connection = connect(self._config)
        statement = load_queries("deployment_manager")["insert_placed"]
        before, row, _ = statement.split_values()
        step = min(POLL, MANY_ROWS)
        texts = [
            before.encode() + row.render_many(rows[i : i + step], connection.prepare_for_mysql)
            for i in range(0, len(rows), step)
        ]
        close_quietly(connection)
        return texts

    def _empty(self) -> None:
        for table in ("deployments", "standalone_reservations", "cordons"):
            self._query(f"TRUNCATE rota_deployer.{table}")
        self._query("UPDATE rota_deployer.leaders SET expires_at = '2000-01-01'")

    def _query(self, text: str) -> list[Any]:
        root = MySqlConfig(self._server.host, self._server.port, self._server.user,
                           Secret(self._server.password), "rota_deployer")  # fmt: skip
        connection = connect(root, statement_timeout_s=120)
        with connection.cursor() as cursor:
            cursor.execute(text)
            found = cursor.fetchall() if cursor.description else []
        connection.commit()
        close_quietly(connection)
        return list(found)

    def _migrate(self) -> None:
        environment = {
            "PATH": os.environ["PATH"], "ROTA_MYSQL_HOST": self._server.host,
            "ROTA_MYSQL_PORT": str(self._server.port), "ROTA_MYSQL_ADMIN_USER": self._server.user,
            "ROTA_MYSQL_ADMIN_PASSWORD": self._server.password,
            "ROTA_DEPLOYER_PASSWORD": self._password,
        }  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "deployment_manager.migrations"], check=True,
            cwd=servers.REPOSITORY, env=environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def _batches(size: int) -> list[list[Received]]:
    """Make the start commands, decoded, as polls hand them over."""
    rng, now = random.Random(6), SystemClock().now()
    received = []
    for number in range(size):
        spec = RunSpec(
            image="registry.example/heating@sha256:" + "0" * 64,
            command=("python", "-m", "heating"),
            env={"MODE": "eco"}, place="hostel-a", sensors={"temperature": "th-17"},
            machine="standalone" if _is_standalone(number, size) else "shared",
            cpus=round(rng.uniform(0.02, 0.3), 2), memory_bytes=rng.randrange(64, 1024) * 1024**2,
        )  # fmt: skip
        job_id = f"instance-{number:07d}.20261125T080000Z.0"
        message = StartJob(
            id=f"{job_id}/1", job_id=job_id, attempt=1, instance_id=f"instance-{number:07d}",
            due=now, ordinal=0, start_by=now + timedelta(hours=24),
            stop_at=now + timedelta(hours=25), spec=spec,
        )  # fmt: skip
        received.append(_received(JOB_COMMANDS, encode(message)))
    return [received[start : start + POLL] for start in range(0, size, POLL)]


def _is_standalone(number: int, size: int) -> bool:
    """One job in a hundred, all in the first twentieth: later no node is empty any more."""
    return number < size // 20 and number % (STANDALONE_EACH // 20) == 0


def _nodes(count: int) -> list[Received]:
    now = SystemClock().now()
    return [
        _received(NODES, encode(NodeChanged(
            node_id=f"n{number}", state=NodeState.ACTIVE, revision=1, boot_id="b", address="a",
            log_port=1, cpus=CPUS, memory_bytes=MEMORY, since=now)))
        for number in range(count)
    ]  # fmt: skip


def _loads(count: int) -> Sequence[Received]:
    """Samples two seconds old; they do not age within the run: it is short of their 30 s."""
    rng, at = random.Random(7), SystemClock().now() - timedelta(seconds=2)
    loads = [
        NodeLoad(node_id=f"n{number}", sampled_at=at, cpu=rng.uniform(0.02, 0.12),
                 ram=rng.uniform(0.05, 0.15), load=0.1)
        for number in range(count)
    ]  # fmt: skip
    record = Record(Partition("node.loads", 0), 0, None, b"", 0)
    return [Received(load, record) for load in loads]


def _received(topic: str, payload: bytes) -> Received:
    record = Record(Partition(topic, 0), 0, None, payload, 0)
    return Received(decode(topic, payload), record)


__all__ = ["SIZE", "run"]
