"""The application manager as a process of its own on real MySQL and Kafka, with a seeded week.

    python -m tests.support.dashboard [small|big|empty] [port]

shows it until Ctrl-C; the name and the password are printed. Loads and heartbeats of the seeded
nodes and services go on being told, as the real ones would.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from common.bus import Producer
from common.bus.kafka import KafkaBus
from common.config import KafkaConfig, MySqlConfig
from common.db.mysql import MySqlDatabase
from common.errors import Retryable
from common.messages import NODE_LOADS, SERVICE_HEARTBEATS, encode, fixed_topics, key_of
from common.secret import Secret
from tests.support import seed, servers

MIGRATIONS = ("scheduler.schedulerInit", "deployment_manager.migrations",
              "node_manager.migrations", "application_manager.migrations")  # fmt: skip
SIZES = {"small": seed.SMALL, "big": seed.BIG, "empty": None}
BEAT_S = 5.0


@dataclass
class Dashboard:
    """A running application manager; `admin` reads and writes its databases as root."""

    url: str
    password: str
    token: str
    week: seed.Week
    admin: MySqlDatabase
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "application_manager"], cwd=servers.REPOSITORY,
                env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait_until_ready()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        until = time.monotonic() + timeout_s
        health = f"http://127.0.0.1:{self.environment['ROTA_HEALTH_PORT']}/readyz"
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(health, timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.2)
        raise AssertionError(f"not ready within {timeout_s} s:\n{self.log.read_text()[-2000:]}")


@contextmanager
def running(
    mysql: servers.SqlServer, kafka: servers.KafkaServer, folder: Path, size: seed.Size | None,
) -> Iterator[Dashboard]:
    """Migrate, seed, start; beat as the platform would; stop at the end."""
    server = MySqlConfig(mysql.host, mysql.port, mysql.user, Secret(mysql.password))
    password = _migrate(mysql)
    week = seed.Seeder(size, seed.utc_now()).make() if size else seed.Week()
    if size:
        seed.write(server, week)
    bus = KafkaBus(KafkaConfig((kafka.address,), kafka.user, Secret(kafka.password)), "seed")
    _create_topics(bus)
    admin = MySqlDatabase(server, seed.queries())
    environment = _environment(mysql, kafka, password)
    shown = Dashboard(f"http://127.0.0.1:{environment['ROTA_HTTP_PORT']}",
                      environment["ROTA_ADMIN_PASSWORD"], environment["ROTA_API_TOKEN"], week,
                      admin, environment, folder / "application_manager.log")  # fmt: skip
    stopping = threading.Event()
    beats = threading.Thread(target=_beat, args=(shown, bus.producer(), stopping), daemon=True)
    with _log_server(environment["ROTA_CLIENT_TOKEN"]) as port:
        if size:
            with admin.transaction() as transaction:
                transaction.execute("point_nodes", port=port)
            beats.start()
        shown.start()
        try:
            yield shown
        finally:
            stopping.set()
            if shown.process is not None and shown.process.poll() is None:
                shown.stop()
            admin.close()
            bus.close()


def _create_topics(bus: KafkaBus, tries: int = 10) -> None:
    """A broker that has just become healthy may still refuse on a busy machine."""
    for left in reversed(range(tries)):
        try:
            bus.create_topics(fixed_topics())
        except Retryable:
            if not left:
                raise
            time.sleep(1.0)
        else:
            return


def _migrate(mysql: servers.SqlServer) -> str:
    password = secrets.token_hex(12)
    environment = {
        **os.environ, "ROTA_MYSQL_HOST": mysql.host, "ROTA_MYSQL_PORT": str(mysql.port),
        "ROTA_MYSQL_ADMIN_USER": mysql.user, "ROTA_MYSQL_ADMIN_PASSWORD": mysql.password,
        "ROTA_APP_PASSWORD": password,
    }  # fmt: skip
    for module in MIGRATIONS:
        subprocess.run([sys.executable, "-m", module], cwd=servers.REPOSITORY, env=environment,
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    return password


def _environment(
    mysql: servers.SqlServer, kafka: servers.KafkaServer, password: str
) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "ROTA_KAFKA_BOOTSTRAP": kafka.address, "ROTA_KAFKA_USER": kafka.user,
        "ROTA_KAFKA_PASSWORD": kafka.password,
        "ROTA_MYSQL_HOST": mysql.host, "ROTA_MYSQL_PORT": str(mysql.port),
        "ROTA_MYSQL_USER": "rota_app", "ROTA_MYSQL_PASSWORD": password,
        "ROTA_HTTP_BIND": "127.0.0.1", "ROTA_HTTP_PORT": str(servers.free_port()),
        "ROTA_ADMIN_PASSWORD": secrets.token_hex(12), "ROTA_API_TOKEN": secrets.token_hex(16),
        "ROTA_CLIENT_TOKEN": secrets.token_hex(16),
        "ROTA_HEALTH_HOST": "127.0.0.1", "ROTA_HEALTH_PORT": str(servers.free_port()),
        "ROTA_REPLICA": "application-manager-1",
    }  # fmt: skip


def _beat(shown: Dashboard, producer: Producer, stopping: threading.Event) -> None:
    """Tell loads and heartbeats every 5 s until it is time to stop."""
    names, number = [row["node_id"] for row in shown.week.nodes], 0
    while not stopping.is_set():
        now = seed.utc_now()
        for load in seed.loads(names, now, seed=number):
            producer.send(NODE_LOADS, key_of(load), encode(load))
        for heartbeat in seed.heartbeats(now):
            producer.send(SERVICE_HEARTBEATS, key_of(heartbeat), encode(heartbeat))
        with suppress(Exception), shown.admin.transaction() as transaction:
            transaction.execute("beat_nodes")
        number += 1
        stopping.wait(BEAT_S)


@contextmanager
def _log_server(token: str) -> Iterator[int]:
    """Stand in for the platform clients of all nodes: some lines, then more while followed."""
    handler = type("Handler", (_LogHandler,), {"token": token})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class _LogHandler(BaseHTTPRequestHandler):
    token = ""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.token}":
            self.send_error(401)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for number in range(1, 41):
            self._line(number)
        number = 41
        while "follow=1" in self.path and number < 600:
            time.sleep(0.5)  # the pace of a real job's output
            try:
                self._line(number)
            except OSError:
                return
            number += 1

    def _line(self, number: int) -> None:
        said = {"step": number, "sensor": "th-17", "celsius": 19 + number % 7 / 2}
        self.wfile.write(f"heating: {json.dumps(said)}\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


def main() -> None:
    """Show it until it is interrupted."""
    name = sys.argv[1] if len(sys.argv) > 1 else "small"
    folder = servers.REPOSITORY / ".build/dashboard"
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with servers.mysql() as mysql, servers.kafka() as kafka:
        if len(sys.argv) > 2:
            servers.free_port = iter([int(sys.argv[2]), servers.free_port()]).__next__
        with running(mysql, kafka, folder, SIZES[name]) as shown:
            (folder / f"{name}.json").write_text(json.dumps(
                {"url": shown.url, "password": shown.password, "token": shown.token}))
            print(f"{shown.url} admin {shown.password}", flush=True)
            with suppress(KeyboardInterrupt):
                _keep(shown, folder / f"{name}.restart")


def _keep(shown: Dashboard, flag: Path) -> None:
    """Restart the process when a flag file appears: new code, same data."""
    while True:
        time.sleep(0.5)
        if flag.exists():
            flag.unlink()
            shown.stop()
            shown.start()


if __name__ == "__main__":
    main()
