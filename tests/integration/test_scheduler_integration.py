"""The scheduler on a real MySQL, its bus in memory: every due time a row, one start command each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from common.bus.memory import MemoryBus
from common.bus.receive import Receiver
from common.clock import ManualClock
from common.config import MySqlConfig
from common.db.migrate import migrate
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries, parse_queries
from common.jobs import JobState, shard_of
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
from common.secret import Secret
from scheduler.events import Events
from scheduler.intake import Intake
from scheduler.service import LeaseLostError, Scheduler
from tests.support.servers import SqlServer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_APP = """
-- name: make_database
CREATE DATABASE IF NOT EXISTS rota_app;
-- name: make_instances
CREATE TABLE IF NOT EXISTS rota_app.instances (instance_id VARCHAR(62) PRIMARY KEY, version INT,
  spec JSON, image VARCHAR(255), command JSON, paused BOOL, deleted BOOL, applied_at DATETIME(6),
  updated_at DATETIME(6));
-- name: make_requests
CREATE TABLE IF NOT EXISTS rota_app.job_requests (request_id BIGINT AUTO_INCREMENT PRIMARY KEY,
  kind VARCHAR(16), instance_id VARCHAR(62), job_id VARCHAR(120), due DATETIME(6), forced BOOL,
  requested_by VARCHAR(64), requested_at DATETIME(6));
-- name: put_instance
REPLACE INTO rota_app.instances VALUES (%(id)s, %(version)s, %(spec)s, 'image:1', '[]', %(paused)s,
  FALSE, %(at)s, UTC_TIMESTAMP(6));
-- name: put_request
INSERT INTO rota_app.job_requests (kind, instance_id, job_id, due, forced, requested_by,
  requested_at)
VALUES (%(kind)s, %(id)s, %(job)s, NULL, %(forced)s, 'me', %(at)s);
-- name: clean_jobs
DELETE FROM rota_scheduler.jobs;
-- name: clean_schedules
DELETE FROM rota_scheduler.schedules;
-- name: clean_edges
DELETE FROM rota_scheduler.edges;
-- name: clean_events
DELETE FROM rota_scheduler.job_events;
-- name: clean_instances
DELETE FROM rota_app.instances;
-- name: clean_shards
UPDATE rota_scheduler.shards SET owner = '', expires_at = '2000-01-01';
-- name: jobs
SELECT * FROM rota_scheduler.jobs ORDER BY due, job_id;
-- name: events
SELECT from_state, to_state FROM rota_scheduler.job_events WHERE job_id = %(job)s ORDER BY event_id;
"""


@dataclass
class World:
    """One scheduler (restartable), a clock moved by hand, and what went over the bus."""

    database: MySqlDatabase
    admin: MySqlDatabase
    bus: MemoryBus
    clock: ManualClock
    scheduler: Scheduler
    intake: Intake
    _revision: int = 0

    def start(self, name: str = "one") -> World:
        """Return a world with a new scheduler process; everything else is the same."""
        producer = self.bus.producer()
        scheduler = Scheduler(self.database, producer, self.clock, name)
        intake = Intake(scheduler, self.database, self.clock)
        fresh = replace(self, scheduler=scheduler, intake=intake)
        scheduler.hold_shards()
        return fresh

    def apply(self, body: str, version: int = 1, *, paused: bool = False) -> None:
        text = f"version: 1\ndefaults: {{app: x}}\ninstances:\n{body}"
        loaded = load(text, "t.yml")
        assert loaded.problems == ()
        with self.admin.transaction() as transaction:
            for spec in loaded.instances:
                transaction.execute(
                    "put_instance", id=spec.id, version=version, spec=spec_to_json(spec),
                    at=self.clock.now(), paused=paused,
                )  # fmt: skip
        self.intake.scan()

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        for _ in range(int(seconds / step)):
            self.clock.advance(timedelta(seconds=step))
            self.scheduler.tick()

    def commands(self, kind: type = StartJob) -> list[StartJob]:
        records = self.bus.records(JOB_COMMANDS)
        messages = (decode(JOB_COMMANDS, record.value) for record in records)
        return [m for m in messages if isinstance(m, kind)]

    def report(self, job_id: str, state: DeploymentState, **more: object) -> None:
        self._revision += 1
        snapshot = DeploymentChanged(
            job_id=job_id, attempt=int(str(more.pop("attempt", 1))), revision=self._revision,
            state=state, node="m1", **more,
        )  # type: ignore[arg-type]  # fmt: skip
        self.bus.producer().send(JOB_EVENTS, job_id, encode(snapshot)).wait(1)
        producer = self.bus.producer()
        Receiver(self.bus, producer, "scheduler", JOB_EVENTS, self.intake.receive_events).run_once()

    def jobs(self) -> list[dict[str, object]]:
        with self.admin.transaction() as transaction:
            return [dict(row) for row in transaction.all("jobs")]

    def states(self) -> list[str]:
        return [str(job["state"]) for job in self.jobs()]


@pytest.fixture(scope="module")
def databases(mysql_server: SqlServer) -> Iterator[tuple[MySqlDatabase, MySqlDatabase]]:
    server = mysql_server
    admin = MySqlConfig(server.host, server.port, server.user, Secret(server.password))
    migrate(admin, "rota_scheduler", "scheduler")
    root = MySqlDatabase(admin, parse_queries(_APP))
    with root.transaction() as transaction:
        for query in ("make_database", "make_instances", "make_requests"):
            transaction.execute(query)
    ours = MySqlDatabase(replace(admin, database="rota_scheduler"), load_queries("scheduler"))
    yield ours, root
    ours.close()
    root.close()


@pytest.fixture
def world(databases: tuple[MySqlDatabase, MySqlDatabase]) -> World:
    database, admin = databases
    with admin.transaction() as transaction:
        for what in ("jobs", "schedules", "edges", "events", "instances", "shards"):
            transaction.execute(f"clean_{what}")
    bus = MemoryBus()
    bus.create_topics(fixed_topics())
    empty = World(database, admin, bus, ManualClock(NOON), None, None)  # type: ignore[arg-type]
    return empty.start()


EVERY_10 = '  - {id: a, schedule: {start: "2026-03-02T12:00:10", interval: 10s, duration: 4s}}\n'


def test_each_due_time_is_a_row_and_one_start_command(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(31)
    assert [job["due"] for job in world.jobs()] == [
        NOON + timedelta(seconds=s) for s in (10, 20, 30)
    ]
    starts = world.commands()
    assert [s.job_id for s in starts if s.due == NOON + timedelta(seconds=10)] == [
        "a.20260302T120010Z.0"
    ]
    assert len({s.id for s in starts}) == len(starts)


def test_a_job_at_its_stop_time_is_killed(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", DeploymentState.RUNNING, started_at=world.clock.now())
    world.pass_time(4)
    assert [(k.job_id, k.reason) for k in world.commands(KillJob)] == [
        ("a.20260302T120010Z.0", "duration")
    ]
    world.report("a.20260302T120010Z.0", DeploymentState.ENDED, reason="duration")
    assert world.states() == ["ENDED"]


def test_a_restart_forgets_nothing_and_doubles_nothing(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", DeploymentState.SUCCEEDED)
    again = world.start()
    again.pass_time(10)
    again.scheduler.publish()
    assert len(again.jobs()) == 2
    assert sorted(s.job_id for s in again.commands()) == [
        "a.20260302T120010Z.0", "a.20260302T120020Z.0",
    ]  # fmt: skip


def test_after_downtime_latest_runs_one_and_tells_the_rest(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T12:01", interval: 1m}}\n')
    world.pass_time(61)
    world.report("a.20260302T120100Z.0", DeploymentState.SUCCEEDED)
    world.clock.advance(timedelta(hours=2))
    again = world.start()
    again.scheduler.tick()
    rows = again.jobs()
    assert [(row["state"], row["count"]) for row in rows] == [
        ("SUCCEEDED", 1), ("MISSED", 119), ("QUEUED", 1),
    ]  # fmt: skip
    assert rows[1]["reason"] == "downtime"


def test_overlap_skip_is_a_row_of_its_own(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T12:00:10", interval: 10s}}\n')
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", DeploymentState.RUNNING)
    world.pass_time(10)
    assert [(j["state"], j["reason"]) for j in world.jobs()] == [
        ("RUNNING", None), ("SKIPPED", "overlap"),
    ]  # fmt: skip


def test_overlap_replace_starts_after_the_old_one_has_ended(world: World) -> None:
    world.apply(
        '  - {id: a, overlap: replace, schedule: {start: "2026-03-02T12:00:10", interval: 10s}}\n'
    )
    world.pass_time(21)
    assert len(world.commands()) == 1
    world.scheduler.send_kills()
    assert [k.reason for k in world.commands(KillJob)] == ["replaced"]
    world.report("a.20260302T120010Z.0", DeploymentState.CANCELLED, reason="replaced")
    assert len(world.commands()) == 2


def test_a_dependent_is_queued_by_its_parents_end(world: World) -> None:
    world.apply(EVERY_10 + "  - {id: b, depends_on: [a]}\n  - {id: c, depends_on: [b]}\n")
    world.pass_time(11)
    assert sorted(world.states()) == ["QUEUED", "WAITING"]
    world.report("a.20260302T120010Z.0", DeploymentState.SUCCEEDED)
    assert {s.instance_id for s in world.commands()} == {"a", "b"}


def test_a_failed_parent_fails_all_below_it(world: World) -> None:
    world.apply(EVERY_10 + "  - {id: b, depends_on: [a]}\n")
    world.pass_time(11)
    world.report("a.20260302T120010Z.0", DeploymentState.FAILED, reason="exit_code", exit_code=1)
    assert [(j["state"], j["reason"]) for j in world.jobs()] == [
        ("FAILED", "exit_code"), ("UPSTREAM_FAILED", "dep_failed"),
    ]  # fmt: skip


def test_a_failure_is_tried_again_while_retries_last(world: World) -> None:
    world.apply(
        '  - {id: a, retries: 1, schedule: {start: "2026-03-02T12:00:10", duration: 60s}}\n'
    )
    world.pass_time(11)
    job = "a.20260302T120010Z.0"
    world.report(job, DeploymentState.FAILED, reason="exit_code", exit_code=1)
    world.pass_time(3)
    world.scheduler.publish()
    assert [s.attempt for s in world.commands()] == [1, 2]
    world.report(job, DeploymentState.FAILED, attempt=2, reason="exit_code", exit_code=1)
    assert world.states() == ["FAILED"]


def test_an_edit_is_due_from_its_own_moment_on(world: World) -> None:
    world.apply('  - {id: a, schedule: {start: "2026-03-02T12:00:10", interval: 1h}}\n')
    world.pass_time(5)
    world.apply('  - {id: a, schedule: {start: "2026-03-02T11:59:00", interval: 30s}}\n', version=2)
    world.pass_time(30)
    assert [job["due"] for job in world.jobs()] == [NOON + timedelta(seconds=30)]


def test_a_pause_skips_and_replays_nothing(world: World) -> None:
    world.apply(EVERY_10)
    world.apply(EVERY_10, paused=True)
    world.pass_time(21)
    assert {(j["state"], j["reason"]) for j in world.jobs()} == {("SKIPPED", "paused")}
    world.apply(EVERY_10)
    world.pass_time(10)
    assert world.states()[-1] == "QUEUED"


def test_a_kill_asked_for_by_a_person_is_carried_out_once(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    with world.admin.transaction() as transaction:
        transaction.execute("put_request", id="a", job="a.20260302T120010Z.0")
    world.intake.scan()
    world.intake.scan()
    assert [k.reason for k in world.commands(KillJob)] == ["user"]


def test_a_stale_owner_writes_nothing(world: World) -> None:
    """G2: a replica that was frozen and lost its shards is refused inside its transaction."""
    world.apply(EVERY_10)
    world.start()  # another life under the same name: a new epoch
    world.clock.advance(timedelta(seconds=11))
    with pytest.raises(LeaseLostError):
        world.scheduler.tick()
    assert world.jobs() == []


def test_an_id_is_looked_up_and_an_unknown_one_is_dead(world: World) -> None:
    producer = world.bus.producer()
    for name in ("a", "nobody"):
        payload = json.dumps({"instance_id": name}).encode()
        producer.send(APP_INSTANCES, name, payload).wait(1)
    world.apply(EVERY_10)
    receiver = Receiver(
        world.bus, producer, "scheduler", APP_INSTANCES, world.intake.receive_instances
    )
    receiver.run_once()
    dead = world.bus.records("app.instances.dlq")
    assert [json.loads(record.value)["key"] for record in dead] == ["nobody"]
    assert 0 <= shard_of("a") < 16


def test_every_move_is_recorded(world: World) -> None:
    world.apply(EVERY_10)
    world.pass_time(11)
    job = "a.20260302T120010Z.0"
    for state in (DeploymentState.STARTING, DeploymentState.RUNNING, DeploymentState.SUCCEEDED):
        world.report(job, state)
    world.report(job, DeploymentState.FAILED, reason="oom")
    with world.admin.transaction() as transaction:
        moves = [row["to_state"] for row in transaction.all("events", job=job)]
    assert moves == ["QUEUED", "STARTING", "RUNNING", "SUCCEEDED"]
    assert world.states() == [JobState.SUCCEEDED]
