"""The keys of a schedule file, each with its shape and its meaning: the language's one table.

The readers take from here which keys there are, their words and their limits; `schema` makes the
published JSON Schema of it. What the keys mean together is `read_schedule`'s and `load`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypedDict, get_args, get_type_hints

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


@dataclass(frozen=True)
class Shape:
    """What a value looks like beyond its type; `least` and `most` are of numbers and of lists."""

    description: str = ""
    pattern: str = ""
    examples: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


def _text(pattern: str, description: str, *examples: str) -> Shape:
    return Shape(description, f"^({pattern})$", examples)


Plain = str | int | float | bool  # taken as it is written
Moment = Annotated[
    str, _text(values.MOMENT, "a date-time; local to the zone unless it carries an offset",
               "2026-03-01T08:00", "2026-03-01T08:00:00+05:30")
]  # fmt: skip
Span = Annotated[
    str, _text(values.SPAN, "elapsed time, at least 1s; d is 24 h", "90s", "5m", "2h")
]  # fmt: skip
Interval = Annotated[
    str, _text(values.INTERVAL, "s m h are elapsed; d w mo are steps in the calendar",
               "30m", "1d", "1mo")
]  # fmt: skip
TimeOfDay = Annotated[str, _text(values.TIME, "a local time of day", "08:00", "08:00:30")]
EndTime = Annotated[
    str, _text(values.END_TIME, "a local time of day, or 24:00", "18:00", "24:00")
]  # fmt: skip
DayName = Annotated[str, _text(values.DAY_RANGE, "a day or a rising range", "sat", "mon-fri")]
Date = Annotated[str, _text(values.DATE, "a local day", "2026-12-25")]
CronText = Annotated[
    str, Shape("five fields, or a macro", examples=("*/20 6-22 * * mon", "@daily"))
]  # fmt: skip
Id = Annotated[str, _text(values.ID, "an instance id", "hostel-a-heating")]
App = Annotated[
    str, _text(values.APP, "an application of the repository, or an inline image",
               "heating-control", "registry/heating:1.4")
]  # fmt: skip
SecretName = Annotated[str, _text(values.SECRET_NAME, "a secret of the platform", "db-password")]
Url = Annotated[str, _text(values.URL, "where to post", "https://hooks.example/ops")]
Mail = Annotated[str, _text(values.MAIL, "an address to write to", "ops@example.org")]
Size = Annotated[str, _text(values.SIZE, "digits and KiB, MiB or GiB", "128MiB")]
Zone = Annotated[str, Shape("an IANA time zone", examples=("Asia/Kolkata",))]


class ScheduleKeys(TypedDict, total=False):
    """When an instance is due, in exactly one of five forms, told by which keys are there.

    They are once (`start`), every (`start`, `interval`), daily (`start_time`), window
    (`start_time`, `end_time`, `interval`), cron (`cron`).
    """

    start: Moment
    end: Moment
    start_time: TimeOfDay
    end_time: EndTime
    days: DayName | list[DayName]
    interval: Interval
    cron: CronText
    duration: Span
    max_jobs: Annotated[int, Shape(least=1, most=1_000_000)]
    exclude: Date | list[Date]
    repetition: bool
    dst_gap: Gap
    dst_overlap: OverlapTimes


class _Edge(TypedDict):
    instance: Id


class DependencyKeys(_Edge, total=False):
    """An edge to a parent, and the end that it must come to."""

    on: DependencyEnd


class NotifyKeys(TypedDict, total=False):
    """Whom to tell of what became of a job: `url`, `mail` or both."""

    url: Url
    mail: Mail
    on: NotifyEvent | list[NotifyEvent]


class ResourceKeys(TypedDict, total=False):
    """What one container needs."""

    cpus: Annotated[float, Shape(least=0.01, most=1024)]
    memory: Size


NotKeys = TypedDict("NotKeys", {"not": Plain | list[Plain]})
NotKeys.__doc__ = "Values that a node's label must not have."


class NodeKeys(TypedDict):
    """On which nodes an instance may run: each label has the value, one of a list, or not those."""

    labels: dict[str, Plain | list[Plain] | NotKeys]


class InstanceDefaults(TypedDict, total=False):
    """What holds for every instance that does not say otherwise."""

    app: App
    command: Plain | list[Plain]
    env: dict[str, Plain]
    place: str
    sensors: dict[str, Plain]
    secrets: SecretName | list[SecretName]
    instances: Annotated[int, Shape(least=1, most=1000)]
    machine: Machine
    node: NodeKeys
    resources: ResourceKeys
    timezone: Zone
    schedule: ScheduleKeys
    depends_on: Id | list[Id | DependencyKeys]
    timeout: Span
    restart: Restart
    retries: Annotated[int, Shape(least=0, most=100)]
    overlap: Overlap
    misfire: Misfire
    priority: Annotated[int, Shape(least=1, most=100)]
    notify: NotifyKeys
    grace: Span
    start_deadline: Span
    on_node_lost: OnNodeLost


class _Named(TypedDict):
    id: Id


class InstanceKeys(_Named, InstanceDefaults, total=False):
    """One application instance: an application bound to a place, with a schedule."""


class _Versioned(TypedDict):
    version: Literal[1]
    instances: Annotated[list[InstanceKeys], Shape(least=1, most=1000)]


class FileKeys(_Versioned, total=False):
    """A schedule file of Rota: application instances and when they run."""

    timezone: Zone
    defaults: InstanceDefaults


Model = Any  # one of the above


@cache
def keys_of(model: Model) -> tuple[str, ...]:
    """Return the keys that a mapping of this model may have."""
    return tuple(get_type_hints(model))


@cache
def words_of(model: Model, key: str) -> tuple[str, ...]:
    """Return the words that a key may hold, alone or in a list."""
    hint = get_type_hints(model)[key]
    return tuple(word for word in get_args(hint) if isinstance(word, str)) or get_args(
        get_args(hint)[0]
    )


@cache
def limits_of(model: Model, key: str) -> tuple[Any, Any]:
    """Return the least and the greatest number that a key may hold."""
    shape: Shape = get_type_hints(model, include_extras=True)[key].__metadata__[0]
    return shape.least, shape.most
