"""A believable week in the four databases and on the topics, for looking at the dashboard.

Due times are those of real schedule files, so that the past on the screens agrees with the future
that the calendars tell. Everything is drawn from one seeded source: the same seed, the same week.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from common.config import MySqlConfig
from common.db.mysql import MySqlDatabase
from common.db.queries import Queries, parse_queries
from common.jobs import job_id_of, shard_of
from common.messages import NodeLoad, ServiceHeartbeat
from common.schedule import InstanceSpec, compile_schedule, load, spec_to_json
from load_balancer.domain.load import harmonic_mean
from tests.support import seed_notices, seed_words

GIB = 1024**3


@dataclass(frozen=True)
class Size:
    """How much: `jobs` bounds the ledger, `detailed` how many jobs have deployments and events."""

    places: int = 8
    nodes: int = 5
    jobs: int = 4_000
    detailed: int = 4_000
    days: int = 7


SMALL = Size()
BIG = Size(places=1000, nodes=500, jobs=100_000, detailed=2_000, days=2)


@dataclass
class Week:
    """The rows of every table, before they are written."""

    instances: list[dict[str, Any]] = field(default_factory=list)
    schedules: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)


class Seeder:
    """Makes one week around `now`."""

    def __init__(self, size: Size, now: datetime, seed: int = 7) -> None:
        self.size, self.now = size, now
        self.random = random.Random(seed)
        self.week = Week()
        self.node_names = [f"node-{n:02d}" for n in range(1, size.nodes + 1)]

    def make(self) -> Week:
        specs = list(self._specs())
        self._nodes()
        for number, spec in enumerate(specs):
            self._instance(spec, is_paused=number % 19 == 11)
        dues = sorted(self._past_dues(specs), key=lambda pair: pair[0], reverse=True)
        for number, (due, spec) in enumerate(dues[: self.size.jobs]):
            self._job(spec, due, has_details=number < self.size.detailed)
        self._run_by_hand([spec for spec in specs if spec.app == "backup"][:4])
        self._children({edge.instance: spec for spec in specs for edge in spec.depends_on})
        self._audit(specs)
        self.week.channels = seed_notices.channels(self.now)
        self.week.notices = seed_notices.notices(self.week.jobs, self.now)
        return self.week

    def _specs(self) -> Iterator[InstanceSpec]:
        for number in range(self.size.places):
            loaded = load(seed_words.file_of(number, self.now), f"place-{number}.yml")
            assert not loaded.problems, loaded.problems
            yield from loaded.instances

    def _nodes(self) -> None:
        for number, name in enumerate(self.node_names):
            state = {2: "DRAINING", 4: "SUSPECT"}.get(number % 40, "ACTIVE")
            self.week.nodes.append({
                "node_id": name, "state": state,
                "wish": "DRAINING" if state == "DRAINING" else "", "boot_id": f"boot-{number}",
                "address": f"10.0.{number // 250}.{number % 250 + 1}", "log_port": 8600,
                "labels": json.dumps({"zone": "ab"[number % 2]}), "cpus": 4.0 if number % 2 else 8.0,
                "memory_bytes": (8 if number % 2 else 16) * GIB,
                "last_heartbeat": self.now - timedelta(seconds=18 if state == "SUSPECT" else 2),
                "since": self.now - timedelta(hours=self.random.randint(3, 90)), "revision": 3,
                "reason": {"SUSPECT": "no heartbeat for 18 s; SSH answers",
                           "DRAINING": "asked by priya: new disk"}.get(state),
            })  # fmt: skip

    def _instance(self, spec: InstanceSpec, *, is_paused: bool) -> None:
        calendar = compile_schedule(spec)
        due = calendar.next_due(self.now) if calendar else None
        applied = self.now - timedelta(days=self.size.days + 1, hours=self.random.randint(0, 40))
        version = self.random.choice((1, 1, 1, 2, 3))
        common: dict[str, Any] = {
            "instance_id": spec.id, "version": version, "spec": spec_to_json(spec),
            "image": f"registry.local/{spec.app}:1.{self.random.randint(0, 9)}",
            "command": json.dumps(list(spec.command)), "applied_at": applied,
        }  # fmt: skip
        person = self.random.choice(seed_words.PEOPLE)
        self.week.instances.append({
            **common, "paused": is_paused, "applied_by": person,
            "paused_by": "priya" if is_paused else None,
            "pause_reason": "sensor is being replaced" if is_paused else None,
        })  # fmt: skip
        self.week.schedules.append({
            **common, "shard": shard_of(spec.id), "state": "paused" if is_paused else "active",
            "next_due": None if is_paused else due,
            "next_stop": calendar.stop_time(due) if calendar and due and not is_paused else None,
        })  # fmt: skip
        self.week.versions.extend(
            {**common, "version": number, "change_kind": "added" if number == 1 else "changed",
             "spec": spec_to_json(spec) if number == version else seed_words.older(spec, number),
             "applied_by": person, "applied_at": applied - timedelta(days=2 * (version - number))}
            for number in range(1, version + 1)
        )  # fmt: skip

    def _past_dues(self, specs: list[InstanceSpec]) -> Iterator[tuple[datetime, InstanceSpec]]:
        begin = self.now - timedelta(days=self.size.days)
        for spec in specs:
            calendar = compile_schedule(spec)
            for due in calendar.due_between(begin, self.now, 4_000) if calendar else ():
                yield due, spec

    def _job(self, spec: InstanceSpec, due: datetime, *, has_details: bool) -> None:
        calendar = compile_schedule(spec)
        stop = calendar.stop_time(due) if calendar else None
        for ordinal in range(spec.instances):
            fate = seed_words.fate_of(self.random, self.now, due, stop)
            job = self._row(spec, due, ordinal, fate)
            job["stop_at"] = stop
            self.week.jobs.append(job)
            if has_details:
                self.week.events.extend(seed_words.events_of(job))
                if job["node"] or job["state"] == "QUEUED":
                    self.week.deployments.append(self._deployment(job))

    def _run_by_hand(self, specs: list[InstanceSpec]) -> None:
        """Whatever the time of day, something runs: people have asked for it a while ago."""
        for number, spec in enumerate(specs):
            due = self.now - timedelta(minutes=4 + 3 * number, seconds=11 * number)
            started = due + timedelta(milliseconds=640)
            fate = seed_words.Fate("RUNNING", started_at=started, lateness_ms=640)
            job = self._row(spec, due, 0, fate)
            job["stop_at"] = self.now + timedelta(minutes=25 + number)
            self.week.jobs.append(job)
            self.week.events.extend(seed_words.events_of(job))
            self.week.deployments.append(self._deployment(job))

    def _children(self, children: dict[str, InstanceSpec]) -> None:
        """Let each child run after its parent's first ordinal, wait for it, or fail with it."""
        for parent in [job for job in self.week.jobs if job["instance_id"] in children]:
            if parent["ordinal"]:
                continue
            child = children[parent["instance_id"]]
            job = self._row(child, parent["due"], 0, seed_words.child_fate(self.random, parent))
            job["stop_at"] = None
            self.week.jobs.append(job)
            self.week.events.extend(seed_words.events_of(job))
            self.week.edges.append({"job_id": job["job_id"], "parent_instance": parent["instance_id"],
                                    "ends": "success", "parent_due": parent["due"]})  # fmt: skip
            if job["node"]:
                self.week.deployments.append(self._deployment(job))

    def _row(self, spec: InstanceSpec, due: datetime, ordinal: int, fate: seed_words.Fate) -> Any:
        home = shard_of(spec.id) + ordinal + self.random.choice((0, 0, 1))
        return {
            "job_id": job_id_of(spec.id, due, ordinal), "instance_id": spec.id, "due": due,
            "ordinal": ordinal, "shard": shard_of(spec.id), "version": 1, "attempt": fate.attempt,
            "state": fate.state, "reason": fate.reason, "detail": fate.detail,
            "node": self.node_names[home % len(self.node_names)] if fate.is_placed else None,
            "node_load": round(self.random.uniform(0.05, 0.6), 3) if fate.is_placed else None,
            "start_by": due + timedelta(seconds=spec.start_deadline_s), "not_before": due,
            "started_at": fate.started_at, "ended_at": fate.ended_at, "exit_code": fate.exit_code,
            "lateness_ms": fate.lateness_ms,
        }  # fmt: skip

    def _deployment(self, job: dict[str, Any]) -> dict[str, Any]:
        placed = job["started_at"] or job["due"]
        names = self.random.sample(self.node_names, min(5, len(self.node_names)))
        if job["node"] and job["node"] not in names:
            names[0] = job["node"]
        waits = job["state"] == "QUEUED"
        return {
            "job_id": job["job_id"], "attempt": job["attempt"],
            "state": "PENDING" if waits else job["state"], "revision": 4, "epoch": 1,
            "node": job["node"], "reason": job["reason"], "detail": job["detail"],
            "exit_code": job["exit_code"], "node_load": job["node_load"],
            "placed_at": None if waits else placed - timedelta(milliseconds=430),
            "started_at": job["started_at"], "ended_at": job["ended_at"],
            "why_not": json.dumps(seed_words.why_not(names) if waits else {}),
            "explanation": json.dumps(seed_words.candidates(self.random, names, job["node"])),
        }  # fmt: skip

    def _audit(self, specs: list[InstanceSpec]) -> None:
        for number in range(60):
            action, detail = self.random.choice(seed_words.ACTIONS)
            self.week.audit.append({
                "at": self.now - timedelta(hours=3 * (60 - number), minutes=number),
                "actor": self.random.choice(seed_words.PEOPLE), "action": action,
                "target": self.random.choice(specs).id, "detail": detail,
            })  # fmt: skip


def queries() -> Queries:
    """The statements that write a week."""
    return parse_queries(seed_words.SQL + seed_notices.SQL)


def write(server: MySqlConfig, week: Week) -> None:
    """Put a week into the (migrated, empty) databases as an administrator."""
    database = MySqlDatabase(server, queries())
    for name in ("instances", "schedules", "versions", "jobs", "events", "deployments", "edges",
                 "nodes", "audit", "channels", "notices"):  # fmt: skip
        rows = getattr(week, name)
        for start in range(0, len(rows), 5_000):
            with database.transaction() as transaction:
                transaction.execute_many(f"put_{name}", rows[start : start + 5_000])
    with database.transaction() as transaction:
        transaction.execute("hold_shards")
    database.close()


def loads(names: list[str], now: datetime, seed: int = 3) -> list[NodeLoad]:
    """Samples of all nodes; one node cannot be reached."""
    source = random.Random(seed)
    made = []
    for number, name in enumerate(names):
        cpu, ram = source.uniform(0.03, 0.7), source.uniform(0.2, 0.75)
        if number % 40 == 1:
            cpu, ram = 0.04, 0.93
        if number % 40 == 4:
            made.append(NodeLoad(node_id=name, sampled_at=now, error="SSH: connection timed out"))
            continue
        made.append(NodeLoad(node_id=name, sampled_at=now, cpu=cpu, ram=ram,
                             load=harmonic_mean(cpu, ram)))  # fmt: skip
    return made


def heartbeats(now: datetime) -> list[ServiceHeartbeat]:
    """What the other services would say of themselves."""
    well = {"mysql": "ok", "kafka": "ok"}
    return [
        ServiceHeartbeat(service=service, replica=replica, host=host, build="0.1.0", health=well,
                         started_at=now - timedelta(days=3, hours=2), figures=figures)
        for service, replica, host, figures in (
            ("scheduler", "scheduler-1", "m1", {"schedules": 40, "agenda": 46, "shards": 16}),
            ("deployment_manager", "deployment-manager-1", "m2", {"live": 12, "pending": 1}),
            ("load_balancer", "load-balancer-1", "m1", {"nodes": 5, "silent_nodes": 1}),
            ("node_manager", "node-manager-1", "m3", {"active": 3, "suspect": 1}),
        )
    ]  # fmt: skip


def utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the screens show real time
