"""The node manager as a process, on real Kafka and MySQL; its migrations on MariaDB, too."""

import os
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.config import MySqlConfig
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.messages import (
    NODE_HEARTBEATS,
    NODES,
    NodeHeartbeat,
    NodeState,
    encode,
    fixed_topics,
)
from common.secret import Secret
from node_manager.domain.membership import after_heartbeat
from node_manager.domain.node import Moment, Wish
from node_manager.store import MySqlNodeStore, Request
from tests.support import servers
from tests.support.clients import kafka_config, now, resident_mb

PASSWORD = secrets.token_hex(12)


def settings_of(server):
    return {
        "PATH": os.environ["PATH"], "ROTA_MYSQL_HOST": server.host,
        "ROTA_MYSQL_PORT": str(server.port), "ROTA_MYSQL_ADMIN_USER": server.user,
        "ROTA_MYSQL_ADMIN_PASSWORD": server.password, "ROTA_NODES_PASSWORD": PASSWORD,
    }  # fmt: skip


def run_migrations(server, **extra):
    return subprocess.run(
        [sys.executable, "node_manager/migrations.py"], cwd=servers.REPOSITORY, check=False,
        env={**settings_of(server), **extra}, capture_output=True, text=True)


def database_of(server):
    config = MySqlConfig(server.host, server.port, "rota_nodes", Secret(PASSWORD), "rota_nodes")
    return MySqlDatabase(config, load_queries("node_manager"))


def beat(node_id, **fields):
    return NodeHeartbeat(node_id=node_id, boot_id="b1", sequence=1, address="10.0.0.1", log_port=1,
                         cpus=2.0, memory_bytes=1 << 30, labels={"zone": "a"}, **fields)


@pytest.mark.parametrize("fixture", ["mysql_server", "mariadb_server"])
def test_migrations_run_twice_and_the_store_keeps_nodes(fixture, request):
    server = request.getfixturevalue(fixture)
    for _ in range(2):
        done = run_migrations(server)
        assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout
    database = database_of(server)
    store = MySqlNodeStore(database)
    moment = Moment(now(), 5.0)
    first = replace(after_heartbeat(None, beat("m1"), moment), skews_s=())  # not kept
    second = replace(after_heartbeat(None, beat("m2"), moment), wish=Wish.DRAINING, drain="move",
                     skews_s=(), state=NodeState.DRAINING, reason="drained by ana", former_boot_id="b0")
    store.save([first, second])
    newer = replace(first, revision=3, state=NodeState.SUSPECT, reason="silent",
                    last_heartbeat=moment.wall - timedelta(seconds=9))
    store.save([newer])
    store.save([first])  # a late writer
    assert store.load(5.0) == [replace(newer, last_heartbeat=moment.wall), second]
    store.save([])
    database.close()


MAKE_REQUESTS = """
import os
import mysql.connector
session = mysql.connector.connect(
    host=os.environ["ROTA_MYSQL_HOST"], port=int(os.environ["ROTA_MYSQL_PORT"]),
    user=os.environ["ROTA_MYSQL_ADMIN_USER"], password=os.environ["ROTA_MYSQL_ADMIN_PASSWORD"],
    autocommit=True, charset="utf8mb4", collation="utf8mb4_general_ci")
cursor = session.cursor()
cursor.execute("CREATE DATABASE rota_app")
cursor.execute("CREATE TABLE rota_app.node_requests ("
               " request_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,"
               " node_id VARCHAR(64) NOT NULL, wish VARCHAR(16) NOT NULL,"
               " requested_by VARCHAR(64) NOT NULL, requested_at DATETIME(6) NOT NULL)")
cursor.executemany(
    "INSERT INTO rota_app.node_requests (node_id, wish, requested_by, requested_at)"
    " VALUES (%s, %s, 'ana', UTC_TIMESTAMP(6))",
    [("m1", "DRAINING"), ("m2", ""), ("m1", ""), ("m2", "DRAINING:move"), ("m3", "PARTY")])
"""


@pytest.mark.parametrize("fixture", ["mysql_server", "mariadb_server"])
def test_what_operators_ask_is_read_once_its_table_is_there(fixture, request):
    server = request.getfixturevalue(fixture)
    assert run_migrations(server).returncode == 0
    database = database_of(server)
    store = MySqlNodeStore(database)
    assert store.requests(0) == []  # no such database yet
    assert store.requests(0) == []
    made = subprocess.run([sys.executable, "-c", MAKE_REQUESTS], env=settings_of(server),
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert run_migrations(server).returncode == 0  # the right to read it: no table, no right
    assert store.requests(0) == [
        Request(3, "m1", Wish.NONE), Request(4, "m2", Wish.DRAINING, "move")]
    assert store.requests(3) == [Request(4, "m2", Wish.DRAINING, "move")]
    database.close()


def test_migrations_without_settings_say_so():
    done = subprocess.run([sys.executable, "node_manager/migrations.py"], cwd="/", check=False,
                          env={"PATH": os.environ["PATH"], "PYTHONPATH": str(servers.REPOSITORY)},
                          capture_output=True, text=True)
    assert done.returncode in (2, 78)
    done = subprocess.run(
        [sys.executable, str(servers.REPOSITORY / "node_manager/migrations.py")], cwd="/",
        check=False, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert done.returncode == 78
    assert "ROTA_MYSQL" in done.stderr


@contextmanager
def node_manager(kafka, mysql, folder):
    environment = {
        **settings_of(mysql), "ROTA_MYSQL_USER": "rota_nodes", "ROTA_MYSQL_PASSWORD": PASSWORD,
        "ROTA_KAFKA_BOOTSTRAP": kafka.address, "ROTA_KAFKA_USER": kafka.user,
        "ROTA_KAFKA_PASSWORD": kafka.password, "ROTA_HEALTH_PORT": str(servers.free_port()),
    }  # fmt: skip
    with (folder / "node-manager.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "node_manager"], cwd=servers.REPOSITORY,
                                   env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


class Fleet:
    """Sends heartbeats and hears what the node manager tells."""

    def __init__(self, kafka):
        self.bus = KafkaBus(kafka_config(kafka), "test")
        self.bus.create_topics(fixed_topics())
        self.producer = self.bus.producer()
        self.told = []
        self.nodes = Receiver(self.bus, self.producer, None, NODES,
                              lambda batch: self.told.extend(one.message for one in batch))

    def wait_for(self, node_id, state, alive, timeout_s=40):
        until, beaten = time.monotonic() + timeout_s, 0.0
        while time.monotonic() < until:
            if time.monotonic() - beaten > 2:
                beaten = time.monotonic()
                for name in alive:
                    self.producer.send(NODE_HEARTBEATS, name, encode(beat(name))).wait(10)
            self.nodes.run_once(0.1)
            last = [one for one in self.told if one.node_id == node_id]
            if last and last[-1].state is state:
                return last[-1]
        raise AssertionError(f"{node_id} is not {state}: {self.told[-3:]}")

    def close(self):
        self.nodes.close()
        self.producer.close()
        self.bus.close()


def test_nodes_are_told_over_silence_and_a_kill_of_the_node_manager(
    kafka_server, mysql_server, tmp_path
):
    assert run_migrations(mysql_server).returncode == 0
    fleet = Fleet(kafka_server)
    one, two = f"a-{secrets.token_hex(3)}", f"b-{secrets.token_hex(3)}"
    with node_manager(kafka_server, mysql_server, tmp_path) as process:
        fleet.wait_for(one, NodeState.ACTIVE, [one, two])
        active = fleet.wait_for(two, NodeState.ACTIVE, [one, two])
        began = time.monotonic()
        suspect = fleet.wait_for(two, NodeState.SUSPECT, [one])
        assert 13 <= time.monotonic() - began <= 20
        assert suspect.revision == active.revision + 1
        assert resident_mb(process) < 120
        process.kill()
        process.wait(10)
    with node_manager(kafka_server, mysql_server, tmp_path) as process:
        fleet.told.clear()
        fleet.wait_for(one, NodeState.ACTIVE, [one, two])
        again = fleet.wait_for(two, NodeState.ACTIVE, [one, two])
        assert again.revision == suspect.revision + 1
        process.terminate()
        assert process.wait(30) == 0
    fleet.close()


def test_it_waits_for_kafka_and_mysql_instead_of_crashing(kafka_server, mysql_server, tmp_path):
    dead = replace(mysql_server, port=servers.free_port())
    with node_manager(kafka_server, dead, tmp_path) as process:
        time.sleep(4)
        assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 0
