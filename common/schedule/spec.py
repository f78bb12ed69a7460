"""One instance as its schedule file describes it, defaults resolved; to JSON and back.

What the words mean is in docs (schedule.md); when it is due is `common.schedule.calendar`'s.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Literal

import msgspec

from common.labels import LabelRule

DependencyEnd = Literal["success", "failure", "done", "started"]
Gap = Literal["shift", "skip"]
Machine = Literal["shared", "standalone"]
Misfire = Literal["latest", "all", "skip"]
NotifyEvent = Literal["failed", "missed", "late", "overran", "recovered"]
OnNodeLost = Literal["wait", "reschedule", "fail"]
Overlap = Literal["skip", "queue_one", "queue_all", "replace", "allow"]
OverlapTimes = Literal["first", "second", "both"]
Restart = Literal["never", "on-failure", "always"]


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """An edge to a parent; `on` is the end it must come to (ENDED counts as success)."""

    instance: str
    on: DependencyEnd = "success"


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """Where to tell it, by one way or both; an empty address: not that way."""

    url: str = ""
    mail: str = ""
    on: tuple[str, ...] = ("failed", "missed")


class Recurrence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When an instance is due: one of five forms and its bounds (schedule.md, 3).

    `start` and `end` are written local times when naive, instants when they carry an offset.
    `end_time` "24:00" is kept as `ends_at_midnight`. `days` are 0 (Monday) .. 6, empty for all.
    """

    form: Literal["once", "every", "daily", "window", "cron"]
    start: datetime | None = None
    end: datetime | None = None
    start_time: time | None = None
    end_time: time | None = None
    ends_at_midnight: bool = False
    days: tuple[int, ...] = ()
    step: int = 0
    unit: Literal["s", "d", "mo"] = "s"
    cron: str | None = None
    duration_s: int | None = None
    max_jobs: int | None = None
    exclude: tuple[date, ...] = ()
    dst_gap: Gap = "shift"
    dst_overlap: OverlapTimes = "first"


class InstanceSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything the file says of one instance."""

    id: str
    app: str
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    place: str | None = None
    sensors: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    instances: int = 1
    machine: Machine = "shared"
    node_labels: dict[str, LabelRule] = {}
    cpus: float | None = None
    memory_bytes: int | None = None
    timezone: str = "UTC"
    schedule: Recurrence | None = None
    depends_on: tuple[Dependency, ...] = ()
    timeout_s: int | None = None
    restart: Restart = "never"
    retries: int = 0
    overlap: Overlap = "skip"
    misfire: Misfire = "latest"
    priority: int = 50
    notify: Notify | None = None
    grace_s: int = 10
    start_deadline_s: int = 86400
    on_node_lost: OnNodeLost = "wait"


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(InstanceSpec)


def spec_to_json(spec: InstanceSpec) -> str:
    """Write a spec in canonical form: equal specs give equal texts."""
    return _ENCODER.encode(spec).decode()


def spec_from_json(text: str | bytes) -> InstanceSpec:
    """Read what `spec_to_json` wrote."""
    return _DECODER.decode(text)
