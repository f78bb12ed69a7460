"""The keys of a schedule file, each with its shape and its meaning: the language's one table.

The readers take from here which keys there are, their words and their limits; `schema` makes the
published JSON Schema of it. What the keys mean together is `read_schedule`'s and `load`'s.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from common.schedule import values
from common.schedule.spec import (
    DependencyEnd,
    Gap,
    Machine,
    Misfire,
    NotifyEvent,
    OnNodeLost,
    Overlap,
    OverlapTimes,
    Restart,
)


def _text(pattern: str, description: str, *examples: str) -> Meta:
    return Meta(pattern=f"^({pattern})$", description=description, examples=list(examples))


Plain = str | int | float | bool  # taken as it is written
Moment = Annotated[
    str, _text(values.MOMENT, "a date-time; local to the zone unless it carries an offset",
               "2026-03-01T08:00", "2026-03-01T08:00:00+05:30")
]  # fmt: skip
Span = Annotated[
    str, _text(values.SPAN, "elapsed time, at least 1s; d is 24 h", "90s", "5m", "2h")
]  # fmt: skip
TimeOfDay = Annotated[str, _text(values.TIME, "a local time of day", "08:00", "08:00:30")]
DayName = Annotated[str, _text(values.DAY_RANGE, "a day or a rising range", "sat", "mon-fri")]
Date = Annotated[str, _text(values.DATE, "a local day", "2026-12-25")]
Id = Annotated[str, _text(values.ID, "an instance id", "hostel-a-heating")]
App = Annotated[
    str, _text(r"\S{1,255}", "an application of the repository, or an inline image",
               "heating-control", "registry/heating:1.4")
]  # fmt: skip
Zone = Annotated[str, Meta(description="an IANA time zone", examples=["Asia/Kolkata"])]


class _Keys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class ScheduleKeys(_Keys, kw_only=True):
    """When an instance is due, in exactly one of five forms, told by which keys are there.

    They are once (`start`), every (`start`, `interval`), daily (`start_time`), window
    (`start_time`, `end_time`, `interval`), cron (`cron`).
    """

    start: Moment | UnsetType = UNSET
    end: Moment | UnsetType = UNSET
    start_time: TimeOfDay | UnsetType = UNSET
    end_time: (
        Annotated[str, _text(values.END_TIME, "a local time of day, or 24:00", "18:00", "24:00")]
        | UnsetType
    ) = UNSET
    days: DayName | list[DayName] | UnsetType = UNSET
    interval: (
        Annotated[
            str,
            _text(values.INTERVAL, "s m h are elapsed; d w mo are steps in the calendar",
                  "30m", "1d", "1mo"),
        ]
        | UnsetType
    ) = UNSET  # fmt: skip
    cron: (
        Annotated[str, Meta(description="five fields, or a macro", examples=["*/20 6-22 * * mon"])]
        | UnsetType
    ) = UNSET
    duration: Span | UnsetType = UNSET
    max_jobs: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    exclude: Date | list[Date] | UnsetType = UNSET
    repetition: bool | UnsetType = UNSET
    dst_gap: Gap | UnsetType = UNSET
    dst_overlap: OverlapTimes | UnsetType = UNSET


class DependencyKeys(_Keys, kw_only=True):
    """An edge to a parent, and the end that it must come to."""

    instance: Id
    on: DependencyEnd | UnsetType = UNSET


class NotifyKeys(_Keys, kw_only=True):
    """Whom to tell of what became of a job."""

    url: Annotated[str, _text(r"https?://\S+", "where to post", "https://hooks.example/ops")]
    on: NotifyEvent | list[NotifyEvent] | UnsetType = UNSET


class ResourceKeys(_Keys, kw_only=True):
    """What one container needs."""

    cpus: Annotated[float, Meta(ge=0.01, le=1024)] | UnsetType = UNSET
    memory: (
        Annotated[str, _text(values.SIZE, "digits and KiB, MiB or GiB", "128MiB")] | UnsetType
    ) = UNSET


class NodeKeys(_Keys, kw_only=True):
    """On which nodes an instance may run."""

    labels: dict[str, Plain]


class InstanceDefaults(_Keys, kw_only=True):
    """What holds for every instance that does not say otherwise."""

    app: App | UnsetType = UNSET
    command: Plain | list[Plain] | UnsetType = UNSET
    env: dict[str, Plain] | UnsetType = UNSET
    place: str | UnsetType = UNSET
    sensors: dict[str, Plain] | UnsetType = UNSET
    instances: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    machine: Machine | UnsetType = UNSET
    node: NodeKeys | UnsetType = UNSET
    resources: ResourceKeys | UnsetType = UNSET
    timezone: Zone | UnsetType = UNSET
    schedule: ScheduleKeys | UnsetType = UNSET
    depends_on: Id | list[Id | DependencyKeys] | UnsetType = UNSET
    timeout: Span | UnsetType = UNSET
    restart: Restart | UnsetType = UNSET
    retries: Annotated[int, Meta(ge=0, le=100)] | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    misfire: Misfire | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    notify: NotifyKeys | UnsetType = UNSET
    grace: Span | UnsetType = UNSET
    start_deadline: Span | UnsetType = UNSET
    on_node_lost: OnNodeLost | UnsetType = UNSET


class InstanceKeys(InstanceDefaults, kw_only=True):
    """One application instance: an application bound to a place, with a schedule."""

    id: Id


class FileKeys(_Keys, kw_only=True):
    """A schedule file of Rota: application instances and when they run."""

    version: Literal[1]
    instances: Annotated[list[InstanceKeys], Meta(min_length=1, max_length=1000)]
    timezone: Zone | UnsetType = UNSET
    defaults: InstanceDefaults | UnsetType = UNSET


def keys_of(model: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the keys that a mapping of this model may have."""
    return model.__struct_fields__


def words_of(model: type[msgspec.Struct], key: str) -> tuple[str, ...]:
    """Return the words that a key may hold."""
    literal, *_ = get_args(get_type_hints(model)[key])
    return get_args(literal)


def limits_of(model: type[msgspec.Struct], key: str) -> tuple[int, int]:
    """Return the least and the greatest number that a key may hold."""
    annotated, *_ = get_args(get_type_hints(model, include_extras=True)[key])
    meta = annotated.__metadata__[0]
    return meta.ge, meta.le
