"""One scheduler on a database, its bus in memory, a clock moved by hand, and the world around it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.bus.memory import MemoryBus
from common.bus.receive import Receiver
from common.clock import ManualClock
from common.db import Database
from common.db.queries import parse_queries
from common.messages import (
    APP_INSTANCES,
    JOB_COMMANDS,
    JOB_EVENTS,
    DeploymentChanged,
    DeploymentState,
    KillJob,
    StartJob,
    decode,
    encode,
    fixed_topics,
)
from common.schedule import load, spec_to_json
from scheduler.auditor import Auditor
from scheduler.events import Events
from scheduler.intake import Intake
from scheduler.service import Scheduler
from tests.support.at_once import AtOnce

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
APP_QUERIES = parse_queries("""
-- name: database_now
SELECT UTC_TIMESTAMP(6) AS now;
-- name: make_database
CREATE DATABASE IF NOT EXISTS rota_app;
-- name: make_instances
CREATE TABLE IF NOT EXISTS rota_app.instances (instance_id VARCHAR(62) PRIMARY KEY, version INT,
  spec JSON, image VARCHAR(255), command JSON, paused BOOL, deleted BOOL, applied_at DATETIME(6),
  updated_at DATETIME(6));
-- name: make_versions
CREATE TABLE IF NOT EXISTS rota_app.versions (instance_id VARCHAR(62), version INT, spec JSON,
  image VARCHAR(255), command JSON, change_kind VARCHAR(16), applied_at DATETIME(6),
  PRIMARY KEY (instance_id, version));
-- name: make_pauses
CREATE TABLE IF NOT EXISTS rota_app.pauses (change_id BIGINT AUTO_INCREMENT PRIMARY KEY,
  instance_id VARCHAR(62), is_paused BOOL, changed_at DATETIME(6));
-- name: make_requests
CREATE TABLE IF NOT EXISTS rota_app.job_requests (request_id BIGINT AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(16), instance_id VARCHAR(62), job_id VARCHAR(120), due DATETIME(6), forced BOOL,
  requested_by VARCHAR(64), requested_at DATETIME(6));
-- name: put_instance
REPLACE INTO rota_app.instances (instance_id, version, spec, image, command, paused, deleted,
  applied_at, updated_at)
VALUES (%(id)s, %(version)s, %(spec)s, 'image:1', %(command)s, %(paused)s, %(deleted)s, %(applied_at)s,
  %(updated_at)s);
-- name: put_version
REPLACE INTO rota_app.versions (instance_id, version, spec, image, command, change_kind, applied_at)
VALUES (%(id)s, %(version)s, %(spec)s, 'image:1', %(command)s, %(kind)s, %(applied_at)s);
-- name: was_paused
SELECT is_paused FROM rota_app.pauses WHERE instance_id = %(id)s ORDER BY change_id DESC LIMIT 1;
-- name: put_pause
INSERT INTO rota_app.pauses (instance_id, is_paused, changed_at) VALUES (%(id)s, %(paused)s, %(at)s);
-- name: put_request
INSERT INTO rota_app.job_requests (kind, instance_id, job_id, due, forced, requested_by,
  requested_at)
VALUES (%(kind)s, %(id)s, %(job)s, %(due)s, %(forced)s, 'me', UTC_TIMESTAMP(6));
-- name: clean_jobs
DELETE FROM rota_scheduler.jobs;
-- name: clean_schedules
DELETE FROM rota_scheduler.schedules;
-- name: clean_dependencies
DELETE FROM rota_scheduler.dependencies;
-- name: clean_edges
DELETE FROM rota_scheduler.edges;
-- name: clean_events
DELETE FROM rota_scheduler.job_events;
-- name: clean_instances
DELETE FROM rota_app.instances;
-- name: clean_app_versions
DELETE FROM rota_app.versions;
-- name: clean_pauses
DELETE FROM rota_app.pauses;
-- name: clean_requests
DELETE FROM rota_app.job_requests;
-- name: clean_handled
DELETE FROM rota_scheduler.handled_requests;
-- name: clean_past
DELETE FROM rota_scheduler.past_versions;
-- name: clean_version_ends
DELETE FROM rota_scheduler.version_ends;
-- name: past_versions
SELECT version FROM rota_scheduler.past_versions;
-- name: versions_long_ago
UPDATE rota_scheduler.version_ends SET ended_at = '2000-01-01';
-- name: answers_long_ago
UPDATE rota_scheduler.handled_requests SET handled_at = '2000-01-01';
-- name: clean_replicas
DELETE FROM rota_scheduler.replicas;
-- name: clean_shards
UPDATE rota_scheduler.shards SET owner = '', expires_at = '2000-01-01';
-- name: lose_leases
UPDATE rota_scheduler.shards SET expires_at = '2000-01-01';
-- name: lose_replicas
UPDATE rota_scheduler.replicas SET expires_at = '2000-01-01';
-- name: held_by
SELECT shard FROM rota_scheduler.shards WHERE owner = %(owner)s AND expires_at > UTC_TIMESTAMP(6);
-- name: jobs
SELECT * FROM rota_scheduler.jobs ORDER BY due, job_id;
-- name: has_schedule
SELECT instance_id FROM rota_scheduler.schedules WHERE instance_id = %(id)s;
-- name: handled
SELECT outcome, detail FROM rota_scheduler.handled_requests ORDER BY request_id;
-- name: delete_job
DELETE FROM rota_scheduler.jobs WHERE job_id = %(job)s;
-- name: kill_sent_long_ago
UPDATE rota_scheduler.jobs SET kill_sent_at = '2000-01-01' WHERE kill_sent_at IS NOT NULL;
-- name: events
SELECT from_state, to_state FROM rota_scheduler.job_events WHERE job_id = %(job)s ORDER BY event_id;
""")
MAKE = [name for name in APP_QUERIES.names() if name.startswith("make_")]
CLEAN = [name for name in APP_QUERIES.names() if name.startswith("clean_")]


@dataclass
class World:
    """One scheduler (restartable), a clock moved by hand, and what went over the bus."""

    database: Database
    admin: Database
    bus: MemoryBus
    clock: ManualClock
    name: str = "one"
    scheduler: Scheduler = field(init=False)
    intake: Intake = field(init=False)
    auditor: Auditor = field(init=False)
    _revision: int = 0
    _versions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.database, self.bus.producer(), self.clock, self.name)
        self.intake = Intake(self.scheduler, self.database, self.clock, AtOnce())
        self.auditor = Auditor(self.scheduler, self.database, self.clock)
        self.scheduler.hold_shards()

    def start(self, name: str = "one") -> World:
        """Return a world with a new scheduler process; everything else is the same."""
        return replace(self, name=name)

    def apply(self, body: str, version: int = 1, **state: Any) -> None:
        """Let the application manager have these instances, and the scheduler find them."""
        self.put(body, version, **state)
        self.intake.scan()

    def put(self, body: str, version: int = 1, **state: Any) -> None:
        text = f"version: 1\ndefaults: {{app: x}}\ninstances:\n{body}"
        loaded = load(text, "t.yml")
        assert loaded.problems == ()
        now = self.clock.now()
        rows = {"paused": False, "deleted": False, "applied_at": now, "updated_at": now} | state
        with self.admin.transaction() as transaction:
            for spec in loaded.instances:
                said = {"id": spec.id, "version": version, "spec": spec_to_json(spec),
                        "command": json.dumps(spec.command)}  # fmt: skip
                transaction.execute("put_instance", **said, **rows)
                transaction.execute(
                    "put_version", **said, applied_at=rows["applied_at"],
                    kind="removed" if rows["deleted"] else "changed",
                )  # fmt: skip
                before = transaction.one("was_paused", id=spec.id)
                if rows["paused"] != bool(before and before["is_paused"]):
                    transaction.execute(
                        "put_pause", id=spec.id, paused=rows["paused"], at=rows["updated_at"]
                    )

    def ask(self, kind: str, job: str | None = None, **more: Any) -> None:
        """Let a person ask for something of instance `a`, and the scheduler see to it."""
        with self.admin.transaction() as transaction:
            transaction.execute(
                "put_request",
                **({"kind": kind, "id": "a", "job": job, "due": None, "forced": False} | more),
            )
        self.intake.carry_out_requests()

    def tick(self) -> None:
        self.scheduler.hold_shards()
        while self.scheduler.tick() == 0.0:
            pass

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        for _ in range(int(seconds / step)):
            self.clock.advance(timedelta(seconds=step))
            self.tick()

    def commands(self, kind: type = StartJob) -> list[Any]:
        records = self.bus.records(JOB_COMMANDS)
        messages = (decode(JOB_COMMANDS, record.value) for record in records)
        return sorted(
            (m for m in messages if isinstance(m, kind)),
            key=lambda m: (getattr(m, "due", NOON), m.job_id, getattr(m, "attempt", 1)),
        )

    def kills(self) -> list[tuple[str, str]]:
        return [(kill.job_id, kill.reason) for kill in self.commands(KillJob)]

    def report(self, job_id: str, state: DeploymentState, **more: Any) -> None:
        """Let the deployment manager say something, and the scheduler hear it."""
        self._revision += 1
        news: dict[str, Any] = {"attempt": 1, "revision": self._revision, "node": "m1"} | more
        snapshot = DeploymentChanged(job_id=job_id, state=state, **news)
        producer = self.bus.producer()
        producer.send(JOB_EVENTS, job_id, encode(snapshot)).wait(1)
        handle = Events(self.scheduler, self.database, self.clock).receive
        Receiver(self.bus, producer, "scheduler", JOB_EVENTS, handle).run_once()

    def receive_instances(self) -> None:
        handle = self.intake.receive_instances
        Receiver(self.bus, self.bus.producer(), "scheduler", APP_INSTANCES, handle).run_once()

    def run(self, query: str, **parameters: Any) -> None:
        with self.admin.transaction() as transaction:
            transaction.execute(query, **parameters)

    def jobs(self) -> list[dict[str, Any]]:
        with self.admin.transaction() as transaction:
            return [dict(row) for row in transaction.all("jobs")]

    def states(self) -> list[str]:
        return [str(job["state"]) for job in self.jobs()]

    def told(self) -> list[tuple[str, str | None]]:
        return [(job["state"], job["reason"]) for job in self.jobs()]

    def handled(self) -> list[tuple[str, str]]:
        with self.admin.transaction() as transaction:
            return [(row["outcome"], row["detail"]) for row in transaction.all("handled")]

    def moves(self, job_id: str) -> list[str]:
        with self.admin.transaction() as transaction:
            return [row["to_state"] for row in transaction.all("events", job=job_id)]


def new_world(database: Database, admin: Database) -> World:
    """Return a world with an empty ledger and one scheduler that holds all shards."""
    with admin.transaction() as transaction:
        for name in CLEAN:
            transaction.execute(name)
    clock = ManualClock(NOON)
    bus = MemoryBus(clock)
    bus.create_topics(fixed_topics())
    return World(database, admin, bus, clock)
