"""A Kafka and a MySQL as others look after: TLS by an authority of theirs, and an administrator for us.

They listen on the host's address in Docker's own network, where machines in containers reach them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import mysql.connector
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)

from platform_initializer.certificates import issue, make_authority
from tests.e2e.platform import now
from tests.support import servers

GRANTS = (
    "GRANT CREATE USER ON *.* TO 'dba'@'%'",
    "GRANT SELECT ON `mysql`.* TO 'dba'@'%'",
    *(f"GRANT ALL ON `{name}`.* TO 'dba'@'%' WITH GRANT OPTION"
      for name in ("rota_app", "rota_nodes", "rota_scheduler", "rota_deployer")),
)
OPERATIONS = (ACLOperation.DESCRIBE, ACLOperation.CREATE, ACLOperation.ALTER)


@dataclass(frozen=True)
class Outside:
    """Both servers. `password` is everybody's; `boss` and `root` may do all, `ops` and `dba` nothing."""

    address: str
    kafka_port: int
    mysql_port: int
    kafka_container: str
    password: str
    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def allow_ops(self, operations: Sequence[ACLOperation] = OPERATIONS) -> None:
        client = self._kafka()
        client.create_acls([_rule(ResourceType.CLUSTER, "kafka-cluster", one) for one in operations])
        client.create_acls([_rule(ResourceType.TOPIC, "*", ACLOperation.DESCRIBE)])
        client.close()

    def forbid_ops(self, operation: ACLOperation) -> None:
        client = self._kafka()
        pattern = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster")
        client.delete_acls([ACLFilter("User:ops", "*", operation, ACLPermissionType.ALLOW, pattern)])
        client.close()

    def stop_kafka(self) -> None:
        subprocess.run(["docker", "stop", "-t", "20", self.kafka_container], check=True, capture_output=True)

    def start_kafka(self) -> None:
        subprocess.run(["docker", "start", self.kafka_container], check=True, capture_output=True)
        servers.wait_until_healthy(self.kafka_container)

    def as_root(self, *statements: str) -> None:
        with mysql.connector.connect(host=self.address, port=self.mysql_port, user="root",
                                     password=self.password, use_pure=True) as root:
            for statement in statements:
                root.cursor().execute(statement)

    def _kafka(self) -> KafkaAdminClient:
        return KafkaAdminClient(
            bootstrap_servers=f"{self.address}:{self.kafka_port}", security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512", sasl_plain_username="boss",
            sasl_plain_password=self.password, ssl_cafile=str(self.ca_file))


@contextmanager
def outside() -> Iterator[Outside]:
    """Yield both, started; they go with their data at the end."""
    address = subprocess.run(
        ["docker", "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"],
        check=True, capture_output=True, text=True).stdout.strip()
    folder = Path(tempfile.mkdtemp(prefix="rota-test-"))
    password = token_hex(12)
    try:
        _write_secrets(folder, address, password)
        with _kafka(folder, address) as (kafka, kafka_port), _mysql(folder, address) as mysql_port:
            one = Outside(address, kafka_port, mysql_port, kafka, password, folder)
            one.as_root(f"CREATE USER 'dba'@'%' IDENTIFIED BY '{password}'")
            yield one
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_secrets(folder: Path, address: str, password: str) -> None:
    authority = make_authority("theirs", now())
    pair = issue(authority, "server", [address], now())
    contents = {
        "ca.pem": authority.certificate, "cert.pem": pair.certificate, "key.pem": pair.key,
        "tls.pem": pair.key + pair.certificate, "root": password,
        "users": f"boss:{password}\nops:{password}\n",
    }
    for name, content in contents.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o444)


@contextmanager
def _kafka(folder: Path, address: str) -> Iterator[tuple[str, int]]:
    port = servers.free_port()
    options = [
        "-p", f"{address}:{port}:9092", *_mounts(folder),
        *_settings("KAFKA", ADVERTISED=f"{address}:{port}", USERS_FILE="/theirs/users",
                   TLS_FILE="/theirs/tls.pem", CA_FILE="/theirs/ca.pem"),
    ]
    with servers._container("kafka", options) as name:
        yield name, port


@contextmanager
def _mysql(folder: Path, address: str) -> Iterator[int]:
    port = servers.free_port()
    options = [
        "-p", f"{address}:{port}:3306", *_mounts(folder),
        *_settings("MYSQL", ROOT_PASSWORD_FILE="/theirs/root", ROOT_HOST="%",
                   TLS_CERT_FILE="/theirs/cert.pem", TLS_KEY_FILE="/theirs/key.pem",
                   CA_FILE="/theirs/ca.pem"),
    ]
    with servers._container("mysql", options):
        yield port


def _mounts(folder: Path) -> list[str]:
    """Mount each file by itself: the folder is closed to the users that the servers run as."""
    return [word for file in folder.iterdir() for word in ("-v", f"{file}:/theirs/{file.name}:ro")]


def _settings(store: str, **settings: str) -> list[str]:
    return [word for key, value in settings.items() for word in ("-e", f"ROTA_{store}_{key}={value}")]


def _rule(kind: ResourceType, name: str, operation: ACLOperation) -> ACL:
    return ACL("User:ops", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(kind, name))
