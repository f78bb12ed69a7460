"""The application manager's SQL on real MySQL and MariaDB, and its process on MySQL and Kafka."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from application_manager.domain.access import Actor, Role
from application_manager.ledger import JobFilter, list_jobs, list_nodes, upcoming_jobs
from application_manager.live import Loads
from application_manager.migrations import DATABASE as USER
from application_manager.migrations import GRANTS
from application_manager.people import LoginRefusedError, People, TooManyTriesError
from application_manager.schedules import ConflictError, Schedules, Terms, Upload
from common.bus.kafka import KafkaBus
from common.config import KafkaConfig, MySqlConfig
from common.db import Database, DatabaseUnavailableError, StatementRefusedError
from common.db.migrate import ensure_user, migrate
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries, parse_queries
from common.messages import APP_INSTANCES, InstanceChanged, decode, fixed_topics
from common.secret import Secret
from tests.service.application_manager.bench import PACKAGES, schedule_file
from tests.support.servers import KafkaServer, Server, SqlServer, free_port

pytestmark = pytest.mark.patient

REPOSITORY = Path(__file__).resolve().parents[2]
ME = Actor("me", Role.ADMIN)
LISTS = {"instances", "ids", "jobs", "names", "nodes", "states", "subjects"}


def admin_of(server: SqlServer) -> MySqlConfig:
    return MySqlConfig(server.host, server.port, server.user, Secret(server.password))


def set_up(server: SqlServer) -> MySqlConfig:
    """Make all databases, and the application manager's user with its own rights only."""
    admin = admin_of(server)
    for database, package in PACKAGES.items():
        migrate(admin, database, package)
    password = Secret(secrets.token_hex(12))
    ensure_user(admin, USER, password, GRANTS)
    return replace(admin, user=USER, password=password, database="rota_app")


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[MySqlDatabase]:
    server = request.getfixturevalue(f"{request.param}_server")
    made = MySqlDatabase(set_up(server), load_queries("application_manager"))
    yield made
    made.close()


def upload(*ids: str, more: str = "") -> Upload:
    return Upload((("f.yml", schedule_file(*ids, more=more)),))


def apply(database: Database, given: Upload, **terms: str) -> dict[str, Any]:
    return Schedules(database, lambda: None).apply(given, ME, Terms(**terms))


@pytest.mark.parametrize("room", ["application_manager", "application_manager.dashboard"])
def test_every_query_is_one_that_the_server_takes(database: MySqlDatabase, room: str) -> None:
    """Each runs with NULLs: an absent value may be refused, a wrong column or word may not."""
    statements = load_queries(room)
    asked = MySqlDatabase(database._config, statements)
    refusals = {name: _refusal(asked, name, statements[name].text) for name in statements.names()}
    asked.close()
    wrong = {name: said for name, said in refusals.items() if said and "cannot be null" not in said}
    assert wrong == {}


def _refusal(database: MySqlDatabase, name: str, text: str) -> str | None:
    values: dict[str, Any] = dict.fromkeys(re.findall(r"%\((\w+)\)s", text))
    values |= {key: [1] for key in values.keys() & LISTS}
    values |= dict.fromkeys(values.keys() & {"limit", "each", "bin_s", "step_s"}, 1)
    try:
        with database.transaction() as transaction:
            is_read = text.lstrip().upper().startswith("SELECT")
            run = transaction.all if is_read else transaction.execute
            run(name, **values)
    except StatementRefusedError as error:
        return str(error)
    return None


def test_an_upload_takes_effect_once_and_versions_rise(database: MySqlDatabase) -> None:
    first = apply(database, upload("one", "two"), key="k")
    assert apply(database, upload("one", "two"), key="k") == first
    assert apply(database, upload("one", "two"))["unchanged"] == 2
    changed = apply(database, upload("one", more="priority: 70"))
    assert changed["changes"][0]["version"] == 2
    with database.transaction() as transaction:
        ids = [row["instance_id"] for row in transaction.all("outbox")]
        versions = transaction.all("list_versions", instance_id="one")
    assert sorted(ids) == ["one", "one", "two"]
    assert [v["version"] for v in versions] == [2, 1]


def test_rivals_apply_one_after_the_other_and_one_plan_only_holds(database: MySqlDatabase) -> None:
    schedules = Schedules(database, lambda: None)
    given = upload("rival", more="priority: 1")
    etag = schedules.plan(given).etag

    def try_it(_: int) -> str:
        try:
            return str(schedules.apply(given, ME, Terms(if_match=etag))["added"])
        except ConflictError:
            return "conflict"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(try_it, range(4)))
    assert outcomes == ["1", "conflict", "conflict", "conflict"]


def test_the_other_services_tables_are_read_but_not_written(database: MySqlDatabase) -> None:
    with database.transaction() as transaction:
        assert list_jobs(transaction, JobFilter(instance="x")) == []
        assert upcoming_jobs(transaction, JobFilter()) == []
    assert list_nodes(database, Loads()) == []
    thief = MySqlDatabase(database._config, parse_queries("-- name: steal\nDELETE FROM rota_scheduler.jobs"))
    with pytest.raises(DatabaseUnavailableError, match="denied"), thief.transaction() as transaction:
        transaction.execute("steal")
    thief.close()


def test_logins_at_once_do_not_share_a_try(database: MySqlDatabase) -> None:
    people = People(database)
    people.make_first(Secret("the right password"), Secret("a token"))
    people.make_first(Secret("another password"), Secret("a token"))

    def guess(_: int) -> str:
        try:
            people.log_in("admin", "wrong", "here")
        except (LoginRefusedError, TooManyTriesError) as error:
            return type(error).__name__
        return "in"

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(guess, range(12)))
    assert outcomes.count("LoginRefusedError") <= 5
    assert "in" not in outcomes
    assert people.by_token("a token") is not None


@dataclass
class Process:
    """A running application manager."""

    process: subprocess.Popen[bytes]
    port: int
    token: str

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=15)
        text = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1{path}", text, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content)

    def wait_until(self, status: int, within_s: float = 40) -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                if self.call("GET", "/jobs")[0] == status:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"no {status} within {within_s} s")

    def resident_mb(self) -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1000


@pytest.fixture
def bus(kafka_server: KafkaServer) -> Iterator[KafkaBus]:
    config = KafkaConfig((kafka_server.address,), kafka_server.user, Secret(kafka_server.password))
    made = KafkaBus(config, "test")
    made.create_topics(fixed_topics())
    yield made
    made.close()


@pytest.fixture
def process(mysql_server: SqlServer, kafka_server: KafkaServer, bus: KafkaBus,
            tmp_path: Path) -> Iterator[Process]:  # fmt: skip
    ours = set_up(mysql_server)
    port, token = free_port(), secrets.token_hex(16)
    files = {"KAFKA_PASSWORD": kafka_server.password, "MYSQL_PASSWORD": ours.password.reveal(),
             "ADMIN_PASSWORD": "long enough a password", "API_TOKEN": token}  # fmt: skip
    environment = {**os.environ, "ROTA_HTTP_PORT": str(port), "ROTA_MYSQL_USER": USER,
                   "ROTA_MYSQL_HOST": ours.host, "ROTA_MYSQL_PORT": str(ours.port),
                   "ROTA_KAFKA_BOOTSTRAP": kafka_server.address,
                   "ROTA_KAFKA_USER": kafka_server.user}  # fmt: skip
    for key, value in files.items():
        (tmp_path / key).write_text(value)
        environment[f"ROTA_{key}_FILE"] = str(tmp_path / key)
    child = subprocess.Popen([sys.executable, "-m", "application_manager"], cwd=REPOSITORY,
                             env=environment, stdout=(tmp_path / "log").open("w"))  # fmt: skip
    made = Process(child, port, token)
    try:
        made.wait_until(200)
        yield made
    finally:
        child.kill()
        child.wait()


def outage(server: Server) -> float:
    server.pause()
    return time.monotonic()


def test_the_process_stores_publishes_answers_503_in_time_and_drains(
    process: Process, mysql_server: SqlServer, bus: KafkaBus
) -> None:
    body = {"files": [{"name": "f.yml", "text": schedule_file("through")}]}
    assert process.call("POST", "/schedules/apply", body)[1]["added"] == 1
    assert _is_published(bus, "through")
    assert process.resident_mb() <= 120
    began = outage(mysql_server)
    status, said = process.call("GET", "/jobs")
    took = time.monotonic() - began
    mysql_server.unpause()
    assert (status, said["code"]) == (503, "unavailable")
    assert took <= 5.5
    process.wait_until(200)
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(25) == 0


def _is_published(bus: KafkaBus, instance_id: str) -> bool:
    consumer = bus.consumer(None)
    consumer.assign(bus.partitions_of(APP_INSTANCES))
    found: set[str] = set()
    for _ in range(60):
        messages = [decode(APP_INSTANCES, record.value) for record in consumer.poll(0.5)]
        found |= {each.instance_id for each in messages if isinstance(each, InstanceChanged)}
        if instance_id in found:
            break
    consumer.close()
    return instance_id in found
