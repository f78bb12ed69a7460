"""Reads what `domain.capacity` needs to tell what a plan would ask of the nodes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from application_manager.domain.capacity import Peak, Weighted, peak_of, sample_of
from application_manager.domain.horizon import Window
from application_manager.domain.plan import Kind, Plan
from application_manager.store import stored_instances
from common.db import Database, Row, Transaction
from common.messages import NodeState
from common.schedule import InstanceSpec, spec_from_json

AHEAD = timedelta(hours=24)
MOST_READ = 20_000
"""Of more instances the first so many by id stand for all."""


def effect_of(database: Database, plan: Plan, now: datetime) -> dict[str, Any]:
    """Tell the highest load of the next 24 h, before a plan and after it, and the capacity."""
    named = {change.instance_id for change in plan.writes}
    with database.transaction() as transaction:
        others = _others(transaction, named)
        stored = stored_instances(transaction, named) if named else {}
        nodes = transaction.all("all_nodes")
    before = [s.spec for s in stored.values() if not (s.deleted or s.paused)]
    after = [
        change.spec for change in plan.writes
        if change.kind is not Kind.REMOVED and not _is_paused(stored.get(change.instance_id))
    ]  # fmt: skip
    window = Window(now, now + AHEAD)
    return {
        "until": window.until,
        "before": _view(peak_of([*others, *sample_of(before)], window)),
        "after": _view(peak_of([*others, *sample_of(after)], window)),
        "is_estimated": any(each.weight > 1 for each in (*others, *sample_of(after))),
        **_capacity(nodes),
    }


def _others(transaction: Transaction, named: Collection[str]) -> list[Weighted]:
    """Return the schedules that the plan leaves as they are."""
    rows = transaction.all("active_specs", limit=MOST_READ)
    counted = transaction.one("count_active")
    total = int(counted["instances"]) if counted else 0
    specs: list[InstanceSpec] = [
        spec_from_json(row["spec"]) for row in rows if row["instance_id"] not in named
    ]
    return sample_of(specs, max(len(specs), total - len(rows) + len(specs)))


def _is_paused(stored: Any) -> bool:
    return stored is not None and stored.paused and not stored.deleted


def _capacity(rows: Collection[Row]) -> dict[str, Any]:
    active = [row for row in rows if row["state"] == NodeState.ACTIVE]
    return {
        "nodes": len(active),
        "cpus": sum(row["cpus"] for row in active),
        "memory_bytes": sum(row["memory_bytes"] for row in active),
    }


def _view(peak: Peak) -> dict[str, Any]:
    return {
        "at": peak.at,
        "jobs": round(peak.demand.jobs),
        "cpus": round(peak.demand.cpus, 2),
        "memory_bytes": round(peak.demand.memory_bytes),
    }
