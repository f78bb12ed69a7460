"""Short ways to make the scheduler's values for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from common.schedule import InstanceSpec, load
from scheduler.domain.schedule import Definition, Schedule

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return an instant so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def spec_of(body: str) -> InstanceSpec:
    loaded = load(f"version: 1\ndefaults: {{app: x}}\ninstances:\n  - {{id: a, {body}}}\n", "t.yml",
                  known_instances={"p", "q"})  # fmt: skip
    assert loaded.problems == (), loaded.problems
    return loaded.instances[0]


def schedule_of(body: str, **more: Any) -> Schedule:
    """Return schedule `a` as its file's line says; next due at its first due time after noon."""
    definition = Definition(1, spec_of(body), "image:1", ())
    calendar = definition.calendar
    fields: dict[str, Any] = {
        "instance_id": "a", "shard": 3, "state": "active", "applied_at": NOON,
        "next_due": calendar.next_due(NOON) if calendar else None,
    }  # fmt: skip
    return Schedule(definition=definition, **(fields | more))


def every(seconds: int, **keys: str) -> str:
    """Write a schedule from noon on, each so many seconds."""
    more = "".join(f", {key}: {value}" for key, value in keys.items())
    return f'schedule: {{start: "2026-03-02T12:00", interval: {seconds}s{more}}}'
