"""What the seeded week consists of: places, schedules, fates of jobs, and the SQL that writes it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common.schedule import InstanceSpec
from tests.support.seed_notices import MAIL

PEOPLE = ("priya", "jonas", "amara", "deploy-bot")
ACTIONS = (
    ("schedule.apply", "version 2"), ("instance.pause", "sensor is being replaced"),
    ("instance.resume", ""), ("job.run", "by hand"), ("job.kill", "ran away"),
    ("node.drain", "new disk"), ("login", "from 10.0.7.12"),
)  # fmt: skip
_PLACES = ("hostel-a", "hostel-b", "greenhouse", "library", "boiler-room", "north-farm",
           "workshop", "canteen")  # fmt: skip
_ZONES = ("Asia/Kolkata", "Europe/Berlin", "UTC", "America/New_York")


def place_of(number: int) -> str:
    place = _PLACES[number % len(_PLACES)]
    return place if number < len(_PLACES) else f"{place}-{number // len(_PLACES)}"


def file_of(number: int, now: datetime) -> str:
    """Write the schedule file of one place: five instances of different kinds."""
    place, zone = place_of(number), _ZONES[number % len(_ZONES)]
    minute = number * 7 % 60
    start = now - timedelta(days=6)
    return f"""\
version: 1
timezone: {zone}
defaults: {{place: {place}}}
instances:
  - id: {place}-heating
    app: heating-control
    command: ["python", "-m", "heating"]
    sensors: {{temperature: th-{number}}}
    resources: {{cpus: 0.5, memory: 128MiB}}
    schedule: {{start_time: "0{number % 6}:{minute:02d}", end_time: "22:00", interval: {30 + number % 3 * 15}m, duration: {8 + number % 5}m}}
  - id: {place}-meters
    app: meter-readout
    instances: {1 + number % 2}
    retries: 2
    resources: {{cpus: 0.2, memory: 64MiB}}
    schedule: {{cron: "{minute} */2 * * *", duration: 25m}}
    timeout: 20m
  - id: {place}-report
    app: report
    depends_on: [{{instance: {place}-meters, on: success}}]
    resources: {{cpus: 0.3, memory: 256MiB}}
  - id: {place}-backup
    app: backup
    machine: standalone
    resources: {{cpus: 1, memory: 1GiB}}
    schedule: {{start_time: "0{number % 9 + 1}:{minute:02d}", end_time: "0{number % 9 + 1}:59", days: [mon-fri]}}
    notify: {{mail: {MAIL}, on: [failed, missed]}}
  - id: {place}-air
    app: air-quality
    sensors: {{co2: co-{number}}}
    schedule: {{start: "{start:%Y-%m-%dT%H:%M:00Z}", interval: {45 + number % 4 * 30}m, duration: 12m}}
"""


def older(spec: InstanceSpec, number: int) -> str:
    """Give an earlier version of a spec: other resources."""
    import msgspec

    from common.schedule import spec_to_json

    return spec_to_json(msgspec.structs.replace(spec, cpus=0.1 * number, priority=50 - number))


@dataclass(frozen=True)
class Fate:
    """What became of one job."""

    state: str
    reason: str | None = None
    detail: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    attempt: int = 1
    lateness_ms: int | None = None

    @property
    def is_placed(self) -> bool:
        return self.started_at is not None or self.state in {"STARTING", "LOST"}


def fate_of(source: random.Random, now: datetime, due: datetime, stop: datetime | None) -> Fate:
    """Draw a fate: most succeed, some end at their stop time, a few go wrong."""
    late = timedelta(milliseconds=source.randint(180, 1900))
    if source.random() < 0.03:
        late = timedelta(seconds=source.randint(70, 900))
    started = due + late
    draw = source.random()
    if stop is not None and stop <= started:
        started = due + timedelta(seconds=1)
    length = timedelta(seconds=source.randint(40, 1500))
    natural = started + length
    end = min(natural, stop) if stop else natural
    if end > now:
        return _live_fate(draw, now, due, started)
    return _past_fate(draw, due, started, (end, stop))


def _live_fate(draw: float, now: datetime, due: datetime, started: datetime) -> Fate:
    if draw < 0.1 or started > now:
        return Fate("QUEUED", "no_node")
    if draw < 0.16:
        return Fate("STARTING")
    if draw < 0.22:
        return Fate("STOPPING", "user", started_at=started, lateness_ms=_ms(started - due))
    return Fate("RUNNING", started_at=started, lateness_ms=_ms(started - due))


_GOES_WRONG: tuple[tuple[float, str, str | None, dict[str, Any]], ...] = (
    (0.02, "FAILED", "oom", {"detail": "the container used more than 128 MiB", "exit_code": 137}),
    (0.05, "FAILED", "exit_code",
     {"detail": "sensor th-17 does not answer", "exit_code": 1, "attempt": 2}),
    (0.055, "LOST", "node_lost", {}),
    (0.065, "TIMED_OUT", "timeout", {"exit_code": 143}),
    (0.075, "CANCELLED", "user", {"exit_code": 143}),
)  # fmt: skip


def _past_fate(
    draw: float, due: datetime, started: datetime, ends: tuple[datetime, datetime | None]
) -> Fate:
    end, stop = ends
    ran: dict[str, Any] = {
        "started_at": started, "ended_at": end, "lateness_ms": _ms(started - due)}
    for limit, state, reason, more in _GOES_WRONG:
        if draw < limit:
            return Fate(state, reason, **ran, **more)
    if draw < 0.095:
        return Fate("MISSED", "downtime", ended_at=due + timedelta(minutes=3))
    if draw < 0.11:
        return Fate("SKIPPED", "overlap", ended_at=due)
    if stop is not None and end == stop:
        return Fate("ENDED", "duration", exit_code=143, **ran)
    return Fate("SUCCEEDED", exit_code=0, **ran)


def child_fate(source: random.Random, parent: dict[str, Any]) -> Fate:
    """What becomes of a job that waits for the success of another."""
    if parent["ended_at"] is None:
        return Fate("WAITING")
    if parent["state"] not in {"SUCCEEDED", "ENDED"}:
        return Fate("UPSTREAM_FAILED", "dep_failed", ended_at=parent["ended_at"])
    started = parent["ended_at"] + timedelta(seconds=1)
    return Fate("SUCCEEDED", started_at=started, exit_code=0, lateness_ms=900,
                ended_at=started + timedelta(seconds=source.randint(20, 240)))  # fmt: skip


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)


def events_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Write the changes of state that led to a job as it is."""
    due, state = job["due"], job["state"]
    steps: list[tuple[datetime, str]] = []
    if state in {"MISSED", "SKIPPED", "WAITING", "UPSTREAM_FAILED"}:
        steps = [(job["ended_at"] or due, state)]
    else:
        steps.append((due + timedelta(milliseconds=40), "QUEUED"))
        if job["started_at"]:
            steps.append((job["started_at"] - timedelta(milliseconds=120), "STARTING"))
            steps.append((job["started_at"] + timedelta(milliseconds=60), "RUNNING"))
        if state not in {"QUEUED", "RUNNING"}:
            steps.append((job["ended_at"] or due + timedelta(seconds=2), state))
    rows, before = [], None
    for at, after in steps:
        last = after == state
        rows.append({"job_id": job["job_id"], "attempt": job["attempt"], "at": at,
                     "from_state": before, "to_state": after,
                     "reason": job["reason"] if last else None,
                     "detail": job["detail"] if last else None})  # fmt: skip
        before = after
    return rows


def candidates(source: random.Random, names: list[str], chosen: str | None) -> list[dict[str, Any]]:
    """Write the verdict on each candidate."""
    rows = []
    for number, name in enumerate(sorted(names)):
        cpu, ram = source.uniform(0.05, 0.8), source.uniform(0.2, 0.8)
        verdict = "more loaded" if chosen else "lacks zone=b"
        if number == 1:
            cpu, ram, verdict = 0.05, 0.94, "over 90 %: CPU 5%, RAM 94%"
        if name == chosen:
            cpu, ram, verdict = 0.11, 0.34, "chosen"
        rows.append({"node": name, "cpu": cpu, "ram": ram, "load": 2 * cpu * ram / (cpu + ram),
                     "sample_age_s": round(source.uniform(0.2, 4.5), 1),
                     "jobs": source.randint(0, 6), "verdict": verdict})  # fmt: skip
    return rows


def why_not(names: list[str]) -> dict[str, str]:
    reasons = ("reserved for a standalone job", "over 90 %: CPU 5%, RAM 94%", "draining",
               "not empty, and the job is standalone", "silent since 18 s")  # fmt: skip
    return {name: reasons[n % len(reasons)] for n, name in enumerate(sorted(names))}


SQL = """
-- name: put_instances
INSERT INTO rota_app.instances (instance_id, version, spec, image, command, paused, deleted,
  applied_at, updated_at, applied_by, paused_by, pause_reason)
VALUES (%(instance_id)s, %(version)s, %(spec)s, %(image)s, %(command)s, %(paused)s, FALSE,
  %(applied_at)s, %(applied_at)s, %(applied_by)s, %(paused_by)s, %(pause_reason)s);
-- name: put_versions
INSERT INTO rota_app.versions (instance_id, version, spec, image, command, change_kind, applied_by,
  applied_at)
VALUES (%(instance_id)s, %(version)s, %(spec)s, %(image)s, %(command)s, %(change_kind)s,
  %(applied_by)s, %(applied_at)s);
-- name: put_schedules
INSERT INTO rota_scheduler.schedules (instance_id, shard, version, spec, image, command, state,
  next_due, next_stop, applied_at, updated_at)
VALUES (%(instance_id)s, %(shard)s, %(version)s, %(spec)s, %(image)s, %(command)s, %(state)s,
  %(next_due)s, %(next_stop)s, %(applied_at)s, %(applied_at)s);
-- name: put_jobs
INSERT INTO rota_scheduler.jobs (job_id, instance_id, due, ordinal, shard, version, attempt, state,
  reason, detail, node, node_load, stop_at, start_by, not_before, started_at, ended_at, exit_code,
  lateness_ms, is_published, created_at, updated_at)
VALUES (%(job_id)s, %(instance_id)s, %(due)s, %(ordinal)s, %(shard)s, %(version)s, %(attempt)s,
  %(state)s, %(reason)s, %(detail)s, %(node)s, %(node_load)s, %(stop_at)s, %(start_by)s,
  %(not_before)s, %(started_at)s, %(ended_at)s, %(exit_code)s, %(lateness_ms)s, TRUE, %(due)s,
  %(due)s);
-- name: put_events
INSERT INTO rota_scheduler.job_events (job_id, attempt, at, from_state, to_state, reason, detail)
VALUES (%(job_id)s, %(attempt)s, %(at)s, %(from_state)s, %(to_state)s, %(reason)s, %(detail)s);
-- name: put_edges
INSERT INTO rota_scheduler.edges (job_id, parent_instance, ends, parent_due)
VALUES (%(job_id)s, %(parent_instance)s, %(ends)s, %(parent_due)s);
-- name: put_deployments
INSERT INTO rota_deployer.deployments (job_id, attempt, state, revision, epoch, node, reason, detail,
  exit_code, node_load, placed_at, started_at, ended_at, why_not, explanation, told_revision,
  updated_at)
VALUES (%(job_id)s, %(attempt)s, %(state)s, %(revision)s, %(epoch)s, %(node)s, %(reason)s, %(detail)s,
  %(exit_code)s, %(node_load)s, %(placed_at)s, %(started_at)s, %(ended_at)s, %(why_not)s,
  %(explanation)s, %(revision)s, UTC_TIMESTAMP(6));
-- name: put_nodes
INSERT INTO rota_nodes.nodes (node_id, state, wish, boot_id, address, log_port, labels, cpus,
  memory_bytes, last_heartbeat, since, revision, reason)
VALUES (%(node_id)s, %(state)s, %(wish)s, %(boot_id)s, %(address)s, %(log_port)s, %(labels)s, %(cpus)s,
  %(memory_bytes)s, %(last_heartbeat)s, %(since)s, %(revision)s, %(reason)s);
-- name: put_audit
INSERT INTO rota_app.audit (at, actor, action, target, detail)
VALUES (%(at)s, %(actor)s, %(action)s, %(target)s, %(detail)s);
-- name: beat_nodes
UPDATE rota_nodes.nodes SET last_heartbeat = UTC_TIMESTAMP(6) WHERE state <> 'SUSPECT';
-- name: point_nodes
UPDATE rota_nodes.nodes SET address = '127.0.0.1', log_port = %(port)s;
-- name: asked
SELECT kind, instance_id, job_id, requested_by FROM rota_app.job_requests ORDER BY request_id;
-- name: node_wishes
SELECT node_id, wish, requested_by FROM rota_app.node_requests ORDER BY request_id;
-- name: instance
SELECT version, paused, pause_reason FROM rota_app.instances WHERE instance_id = %(instance)s;
-- name: running
SELECT job_id, instance_id, node FROM rota_scheduler.jobs WHERE state = 'RUNNING' ORDER BY job_id;
-- name: end_job
UPDATE rota_scheduler.jobs SET state = 'FAILED', reason = 'exit_code', exit_code = 3,
  ended_at = UTC_TIMESTAMP(6) WHERE job_id = %(job_id)s;
-- name: hold_shards
UPDATE rota_scheduler.shards SET owner = 'scheduler-1', epoch = 4,
  expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 DAY;
"""
