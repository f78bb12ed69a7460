"""The application manager on fakes: databases and bus in memory, a clock moved by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from httpx import Response

from application_manager.api.app import build_app
from application_manager.api.parts import Parts
from application_manager.asks import Asks
from application_manager.channels import Channels
from application_manager.feed import Feed
from application_manager.letters import DeadLetters
from application_manager.live import Loads
from application_manager.people import People
from application_manager.publisher import Publisher
from application_manager.registry import Registry
from application_manager.schedules import Schedules
from application_manager.sources import sources_of
from application_manager.versions import Versions
from common.bus.memory import MemoryBus
from common.bus.receive import Receiver
from common.clock import ManualClock
from common.db.memory import MemoryDatabase, MemoryServer
from common.db.queries import load_queries, parse_queries
from common.heartbeat import HeartbeatMonitor
from common.messages import APP_INSTANCES, NODE_LOADS, NodeLoad, decode, encode, fixed_topics
from common.secret import Secret

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOKEN = "token-of-the-first-hour"
PASSWORD = "correct horse battery staple"
PACKAGES = {"rota_scheduler": "scheduler", "rota_deployer": "deployment_manager",
            "rota_nodes": "node_manager", "rota_app": "application_manager"}  # fmt: skip
_OTHERS = """
-- name: put_job
INSERT INTO rota_scheduler.jobs (job_id, instance_id, due, ordinal, shard, version, state, reason,
  node, start_by, not_before, created_at, updated_at)
VALUES (%(job_id)s, %(instance)s, %(due)s, %(ordinal)s, 0, 1, %(state)s, %(reason)s, %(node)s,
  %(due)s, %(due)s, %(due)s, %(due)s);
-- name: put_event
INSERT INTO rota_scheduler.job_events (job_id, attempt, at, from_state, to_state)
VALUES (%(job_id)s, 1, %(at)s, %(from_state)s, %(to_state)s);
-- name: put_event_at
INSERT INTO rota_scheduler.job_events (event_id, job_id, attempt, at, to_state)
VALUES (%(event_id)s, %(job_id)s, 1, %(at)s, 'RUNNING');
-- name: set_lateness
UPDATE rota_scheduler.jobs SET lateness_ms = %(lateness_ms)s WHERE job_id = %(job_id)s;
-- name: put_schedule
INSERT INTO rota_scheduler.schedules (instance_id, shard, version, spec, image, command, state,
  next_due, applied_at, updated_at)
SELECT instance_id, 0, version, spec, image, command, 'active', %(next_due)s, applied_at, updated_at
FROM rota_app.instances WHERE instance_id = %(instance)s;
-- name: put_deployment
INSERT INTO rota_deployer.deployments (job_id, attempt, state, revision, node, why_not, explanation,
  updated_at)
VALUES (%(job_id)s, 1, %(state)s, 1, %(node)s, %(why_not)s, %(explanation)s, %(at)s);
-- name: put_node
INSERT INTO rota_nodes.nodes (node_id, state, boot_id, address, log_port, labels, cpus,
  memory_bytes, last_heartbeat, since, revision)
VALUES (%(node)s, 'ACTIVE', 'b', '127.0.0.1', %(log_port)s, '{"zone": "a"}', 2, 4000, %(at)s,
  %(at)s, 1);
-- name: set_node_state
UPDATE rota_nodes.nodes SET state = %(state)s WHERE node_id = %(node)s;
-- name: put_image
INSERT INTO rota_nodes.node_images (node_id, name, image_id) VALUES (%(node)s, %(name)s, %(id)s);
-- name: forget_images
DELETE FROM rota_nodes.node_images WHERE node_id = %(node)s;
-- name: end_deployments
UPDATE rota_deployer.deployments SET state = 'SUCCEEDED';
-- name: requests
SELECT kind, instance_id, job_id, due, forced, requested_by FROM rota_app.job_requests
ORDER BY request_id;
-- name: request_keys
SELECT request_id, request_key FROM rota_app.job_requests ORDER BY request_id;
-- name: put_outcome
INSERT INTO rota_scheduler.handled_requests (request_id, outcome, detail, handled_at)
VALUES (%(request_id)s, %(outcome)s, %(detail)s, %(at)s);
-- name: pauses
SELECT is_paused, changed_at FROM rota_app.pauses ORDER BY change_id;
-- name: node_requests
SELECT node_id, wish FROM rota_app.node_requests ORDER BY request_id;
"""


def schedule_file(*ids: str, more: str = "") -> str:
    """Write a file of instances that are due every minute."""
    lines = ["version: 1", "instances:"]
    for each in ids:
        lines += [f"  - id: {each}", "    app: rota/demo-app:dev", "    command: [run, '1']",
                  "    schedule: {start: 2026-03-02T00:00:00Z, interval: 1m, duration: 5s}"]  # fmt: skip
        lines += [f"    {more}"] if more else []
    return "\n".join(lines) + "\n"


@dataclass
class World:
    """One application manager and all that it sees."""

    parts: Parts
    server: MemoryServer
    bus: MemoryBus
    clock: ManualClock
    others: MemoryDatabase
    publisher: Publisher
    client: TestClient
    wakes: list[int] = field(default_factory=list)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """Call the API as the first token's holder."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.client.request(
            method, f"/api/v1{path}", json=body, headers={"authorization": f"Bearer {TOKEN}", **named}
        )

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def apply(self, *texts: str, **more: Any) -> Response:
        files = [{"name": f"f{n}.yml", "text": text} for n, text in enumerate(texts)]
        headers = {key: more.pop(key) for key in ("if_match", "idempotency_key") if key in more}
        return self.call("POST", "/schedules/apply", {"files": files, **more}, **headers)

    def plan(self, *texts: str, **more: Any) -> Response:
        files = [{"name": f"f{n}.yml", "text": text} for n, text in enumerate(texts)]
        return self.call("POST", "/schedules/plan", {"files": files, **more})

    def write(self, query: str, **row: Any) -> None:
        """Write a row of another service."""
        with self.others.transaction() as transaction:
            transaction.execute(query, **row)

    def put_job(self, job_id: str, state: str = "RUNNING", **row: Any) -> None:
        instance, due, ordinal = job_id.split(".")
        moment = datetime.strptime(due, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        values = {"job_id": job_id, "instance": instance, "due": moment, "ordinal": int(ordinal),
                  "state": state, "reason": None, "node": None}  # fmt: skip
        self.write("put_job", **{**values, **row})

    def put_deployment(self, job_id: str, **row: Any) -> None:
        values = {"state": "RUNNING", "node": "m1", "why_not": {}, "explanation": [], **row}
        texts = {key: json.dumps(values.pop(key)) for key in ("why_not", "explanation")}
        self.write("put_deployment", job_id=job_id, at=NOON, **values, **texts)

    def read(self, query: str) -> list[dict[str, Any]]:
        with self.others.transaction() as transaction:
            return [dict(row) for row in transaction.all(query)]

    def published(self) -> list[str]:
        """Return the instance ids on app.instances, in order of their sending."""
        messages = [decode(APP_INSTANCES, r.value) for r in self.bus.records(APP_INSTANCES)]
        return sorted(message.instance_id for message in messages)  # type: ignore[union-attr]

    def hear_load(self, node: str, cpu: float) -> None:
        message = NodeLoad(node_id=node, sampled_at=self.clock.now(), cpu=cpu, ram=0.5, load=cpu)
        producer = self.bus.producer()
        producer.send(NODE_LOADS, node, encode(message)).wait(1)
        Receiver(self.bus, producer, None, NODE_LOADS, self.parts.loads.receive).run_once()


@contextmanager
def world(
    allowed: Sequence[str] = ("*",), secrets: Sequence[str] | None = None, **changes: Any
) -> Iterator[World]:
    clock = ManualClock(NOON)
    server = MemoryServer(clock, lock_wait_s=1.0)
    for database, package in PACKAGES.items():
        server.migrate(database, package)
    bus = MemoryBus(clock)
    bus.create_topics(fixed_topics())
    producer = bus.producer()
    database = MemoryDatabase(server, "rota_app", load_queries("application_manager"))
    wakes: list[int] = []
    people = People(database, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    people.make_first(Secret(PASSWORD), Secret(TOKEN))
    loads, monitor = Loads(), HeartbeatMonitor(bus, producer)
    feed = Feed(database, clock, sources_of(database, loads, monitor, clock))
    screens = MemoryDatabase(server, "rota_app", load_queries("application_manager.dashboard"))
    parts = replace(Parts(
        database=database, screens=screens, clock=clock, people=people, loads=loads, monitor=monitor, feed=feed,
        letters=DeadLetters(bus),
        schedules=Schedules(database, lambda: wakes.append(1), allowed, secrets),
        asks=Asks(database, clock, lambda: wakes.append(1)),
        versions=Versions(database, lambda: wakes.append(1)), registry=Registry(database, people), channels=Channels(database, clock),
        client_token=Secret("client-token"),
    ), **changes)  # fmt: skip
    others = MemoryDatabase(server, "rota_app", parse_queries(_OTHERS))
    publisher = Publisher(database, producer, clock)
    client = TestClient(build_app(parts), base_url="http://rota.test", raise_server_exceptions=False)
    yield World(parts, server, bus, clock, others, publisher, client, wakes)
    server.close()
