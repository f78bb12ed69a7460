"""The throwaway servers are what they claim to be: real, guarded, durable, gone afterwards."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mysql.connector
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from mysql.connector.abstracts import MySQLCursorAbstract

from tests.support import servers

pytestmark = pytest.mark.patient


def create_topic(server: servers.KafkaServer, name: str) -> None:
    admin = KafkaAdminClient(**server.client_settings)
    try:
        admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
        admin.wait_for_topics([name])
    finally:
        admin.close()


def produce(server: servers.KafkaServer, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(acks="all", enable_idempotence=True, **server.client_settings)
    try:
        for sent in [producer.send(topic, value, key=b"k") for value in values]:
            sent.get(timeout=20)
    finally:
        producer.close()


def consume(server: servers.KafkaServer, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(auto_offset_reset="earliest", enable_auto_commit=False,
                             consumer_timeout_ms=15_000, **server.client_settings)
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in (0, 1)])
        found: list[bytes] = []
        for record in consumer:
            found.append(record.value)
            if len(found) == count:
                break
        return found
    finally:
        consumer.close()


@contextmanager
def cursor_on(server: servers.SqlServer, **options: Any) -> Iterator[MySQLCursorAbstract]:
    connection = mysql.connector.connect(
        host=server.host, port=server.port, user=server.user, password=server.password,
        charset="utf8mb4", collation="utf8mb4_bin", connection_timeout=10, autocommit=True,
        **options)
    try:
        yield connection.cursor()
    finally:
        connection.close()


def variables_of(server: servers.SqlServer, *names: str) -> dict[str, str]:
    with cursor_on(server) as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES")
        found = dict(cursor.fetchall())
    return {name: str(found[name]) for name in names}


def test_kafka_keeps_acknowledged_records_over_a_kill_and_a_restart(kafka_server):
    create_topic(kafka_server, "kept")
    produce(kafka_server, "kept", [b"one", b"two"])
    assert consume(kafka_server, "kept", 2) == [b"one", b"two"]

    kafka_server.kill()
    kafka_server.start()
    produce(kafka_server, "kept", [b"three"])

    assert consume(kafka_server, "kept", 3) == [b"one", b"two", b"three"]


def test_kafka_makes_no_topic_unasked(kafka_server):
    producer = KafkaProducer(max_block_ms=1_500, **kafka_server.client_settings)
    try:
        with pytest.raises(Exception, match=r"(?i)topic|metadata|timeout"):
            producer.send("never-made", b"x").get(timeout=5)
    finally:
        producer.close()


@pytest.mark.parametrize("change", [
    {"sasl_plain_password": "wrong-password"},
    {"security_protocol": "PLAINTEXT"},
])
def test_kafka_refuses_clients_without_the_right_password(kafka_server, change):
    settings = {**kafka_server.client_settings, **change, "bootstrap_timeout_ms": 4_000}
    with pytest.raises(Exception, match=r"(?i)auth|broker|bootstrap|connect|kafka"):
        KafkaAdminClient(**settings).list_topics()


def test_mysql_is_9_7_and_syncs_every_commit(mysql_server):
    values = variables_of(
        mysql_server, "version", "innodb_flush_log_at_trx_commit", "sync_binlog",
        "character_set_server", "innodb_buffer_pool_size", "time_zone")
    assert values.pop("version").startswith("9.7.")
    assert values == {
        "innodb_flush_log_at_trx_commit": "1", "sync_binlog": "1",
        "character_set_server": "utf8mb4", "innodb_buffer_pool_size": str(256 * 2**20),
        "time_zone": "+00:00",
    }


def test_mariadb_is_10_11(mariadb_server):
    assert variables_of(mariadb_server, "version")["version"].startswith("10.11.")


@pytest.mark.parametrize("fixture", ["mysql_server", "mariadb_server"])
def test_sql_server_keeps_committed_rows_over_a_kill_and_a_restart(fixture, request):
    server: servers.SqlServer = request.getfixturevalue(fixture)
    with cursor_on(server) as cursor:
        cursor.execute("CREATE DATABASE kept")
        cursor.execute("CREATE TABLE kept.rows_kept (word VARCHAR(40) PRIMARY KEY)")
        cursor.execute("INSERT INTO kept.rows_kept VALUES (%s)", ("चाय ☕",))

    server.kill()
    server.start()

    with cursor_on(server) as cursor:
        cursor.execute("SELECT word FROM kept.rows_kept")
        assert cursor.fetchall() == [("चाय ☕",)]


@pytest.mark.parametrize("fixture", ["mysql_server", "mariadb_server"])
def test_sql_server_refuses_root_without_its_password(fixture, request):
    server: servers.SqlServer = request.getfixturevalue(fixture)
    for password in ("", "wrong-password"):
        with pytest.raises(mysql.connector.Error, match="1045"):
            mysql.connector.connect(
                host=server.host, port=server.port, user="root", password=password)


def test_mysql_stops_cleanly_when_asked():
    with servers.mysql() as server:
        server.stop()
        assert state_of(server.container)["ExitCode"] == 0


def test_kafka_stops_cleanly_when_asked():
    with servers.kafka() as server:
        server.stop()
        # 143: the Java runtime's own end after its shutdown hooks ran
        assert state_of(server.container)["ExitCode"] in {0, 143}


def test_a_server_is_removed_also_when_the_test_fails():
    with pytest.raises(ZeroDivisionError), servers.mariadb() as server:
        raise ZeroDivisionError
    done = subprocess.run(["docker", "inspect", server.container], capture_output=True, check=False)
    assert done.returncode != 0


@pytest.mark.parametrize(("image", "missing"), [
    ("kafka", b"ROTA_KAFKA_USERS_FILE"),
    ("mysql", b"ROTA_MYSQL_ROOT_PASSWORD_FILE"),
    ("mariadb", b"ROTA_MYSQL_ROOT_PASSWORD_FILE"),
])
def test_no_server_starts_without_credentials(image, missing):
    done = subprocess.run(["docker", "run", "--rm", servers.ensure_image(image)],
                          capture_output=True, check=False)
    assert done.returncode == 78
    assert missing in done.stderr


def state_of(container: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "inspect", "-f", "{{json .State}}", container],
                          capture_output=True, check=True)
    state: dict[str, Any] = json.loads(done.stdout)
    return state
