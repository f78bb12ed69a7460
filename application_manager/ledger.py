"""Reading what the other services own: jobs, deployments, nodes. Never written from here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from application_manager.live import Loads
from application_manager.newest import Narrow, newest_jobs
from common.db import Database, Row, Transaction
from common.errors import Permanent
from common.jobs import JobState, job_id_of
from common.schedule import spec_from_json

Json = dict[str, Any]


class NoSuchJobError(Permanent):
    """There is no such job, or not yet: it gets its row when it is due."""

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"there is no job {job_id!r} in the ledger (a planned one gets there when it is due)"
        )


@dataclass(frozen=True)
class JobFilter:
    """Which jobs, and where the page begins: after (due, job_id), newest first."""

    instance: str | None = None
    node: str | None = None
    states: tuple[JobState, ...] = ()
    after: tuple[datetime, str] | None = None
    limit: int = 100


def list_jobs(transaction: Transaction, wanted: JobFilter) -> list[Json]:
    """Return one page of the ledger, newest due first."""
    narrow = Narrow(wanted.states, wanted.instance, None, wanted.node, wanted.after, wanted.limit)
    return [job_from(row) for row in newest_jobs(transaction, narrow)]


def upcoming_jobs(transaction: Transaction, wanted: JobFilter) -> list[Json]:
    """Return the next due time of each active schedule as PLANNED jobs, soonest first."""
    if wanted.node is not None or (wanted.states and JobState.PLANNED not in wanted.states):
        return []
    rows = transaction.all("upcoming", instance=wanted.instance, limit=wanted.limit)
    jobs = [job for row in rows for job in _planned(row)][: wanted.limit]
    there = transaction.all("existing_jobs", jobs=[job["job_id"] for job in jobs])
    known = {row["job_id"] for row in there}
    return [job for job in jobs if job["job_id"] not in known]


def find_job(transaction: Transaction, job_id: str) -> Json:
    """Return one job in the form of the list."""
    row = transaction.one("show_job", job_id=job_id)
    if row is None:
        raise NoSuchJobError(job_id)
    return job_from(row)


def show_job(transaction: Transaction, job_id: str) -> Json:
    """Return one job with its events, its attempts and what it waits for."""
    job = find_job(transaction, job_id)
    return {
        **job,
        "events": [dict(row) for row in transaction.all("job_events", job_id=job_id)],
        "attempts": attempts_of(transaction, job_id),
        "waits_for": [
            {"instance": row["parent_instance"], "on": row["ends"], "due": row["parent_due"],
             "state": row["state"]}
            for row in transaction.all("job_edges", job_id=job_id)
        ],
    }  # fmt: skip


def attempts_of(transaction: Transaction, job_id: str) -> list[Json]:
    """Return the deployments of a job, with the candidates each was chosen from."""
    return [
        {
            **{key: row[key] for key in ("attempt", "state", "node", "epoch", "reason", "detail",
                                         "exit_code", "placed_at", "started_at", "ended_at")},
            "load": row["node_load"],
            "kill_failed": bool(row["kill_failed"]),
            "candidates": _json(row["explanation"], []),
            "why_not": _json(row["why_not"], {}),
        }
        for row in transaction.all("attempts_of", job_id=job_id)
    ]  # fmt: skip


def list_nodes(database: Database, loads: Loads) -> list[Json]:
    """Return every node with its last sample and its jobs."""
    with database.transaction() as transaction:
        rows = transaction.all("all_nodes")
        jobs = {row["node"]: row["jobs"] for row in transaction.all("jobs_on_nodes")}
        alone = {row["node"]: row["job_id"] for row in transaction.all("standalones")}
    return [_node(row, loads, jobs.get(row["node_id"], 0), alone) for row in rows]


def job_from(row: Row) -> Json:
    """Give a row of the ledger its public form (interfaces.md, 1)."""
    return {
        "job_id": row["job_id"],
        "instance": row["instance_id"],
        "due": row["due"],
        "ordinal": row["ordinal"],
        "attempt": row["attempt"],
        "state": row["state"],
        "reason": row["reason"],
        "node": row["node"],
        "started_at": row["started_at"],
        "ended_at": row["ended_at"],
        "stop_at": row["stop_at"],
        "exit_code": row["exit_code"],
        "lateness_ms": row["lateness_ms"],
        "detail": row["detail"],
        "load": row["node_load"],
        "version": row["version"],
        "start_by": row["start_by"],
        "desired_stop": row["desired_stop"],
    }


def _planned(row: Row) -> list[Json]:
    spec = spec_from_json(row["spec"])
    absent = dict.fromkeys(
        ("reason", "node", "started_at", "ended_at", "exit_code", "lateness_ms", "detail", "load",
         "start_by", "desired_stop")
    )  # fmt: skip
    return [
        {
            "job_id": job_id_of(row["instance_id"], row["next_due"], ordinal),
            "instance": row["instance_id"],
            "due": row["next_due"],
            "ordinal": ordinal,
            "attempt": 1,
            "state": JobState.PLANNED,
            "stop_at": row["next_stop"],
            "version": row["version"],
            **absent,
        }
        for ordinal in range(spec.instances)
    ]


def _node(row: Row, loads: Loads, jobs: int, alone: Mapping[str, str]) -> Json:
    load = loads.of(row["node_id"])
    return {
        "node": row["node_id"],
        "state": row["state"],
        "cpu": load.cpu if load else None,
        "ram": load.ram if load else None,
        "load": load.load if load else None,
        "sampled_at": load.sampled_at if load else None,
        "jobs": jobs,
        "standalone_job": alone.get(row["node_id"]),
        "labels": _json(row["labels"], {}),
        "error": load.error if load else None,
        "reason": row["reason"],
        "address": row["address"],
        "cpus": row["cpus"],
        "memory_bytes": row["memory_bytes"],
        "last_heartbeat": row["last_heartbeat"],
        "since": row["since"],
    }


def _json(text: str | None, default: Any) -> Any:
    found = json.loads(text) if text else default
    return found if isinstance(found, (Mapping, Sequence)) else default
