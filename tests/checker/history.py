"""What happened, as three witnesses saw it: the containers themselves, Docker, and the ledger.

A `History` is data only; `tests.checker.check` judges it (guarantees.md, 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Due:
    """One due time of one ordinal that the schedules ask for."""

    instance: str
    due: datetime
    ordinal: int = 0
    stop_at: datetime | None = None
    grace_s: int = 10
    standalone: bool = False
    parents: tuple[str, ...] = ()  # job ids whose end must come first


@dataclass(frozen=True)
class Row:
    """One row of the ledger at the end of the observation.

    `seen_at` is when the row was first seen in its present state; `until` and `count` make it
    stand for a stretch of due times (of what never ran only).
    """

    job_id: str
    instance: str
    due: datetime
    ordinal: int
    state: str
    reason: str | None = None
    attempt: int = 1
    node: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    kill_failed: bool = False
    count: int = 1
    until: datetime | None = None
    seen_at: datetime | None = None
    is_manual: bool = False  # a person asked for it


@dataclass(frozen=True)
class Run:
    """One container's own story, from the witness file on its machine. No end: power or SIGKILL."""

    job_id: str
    attempt: int
    container: str
    node: str
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class DockerRun:
    """The same container as Docker tells it. No `died_at`: it still runs."""

    job_id: str
    attempt: int
    container: str
    node: str
    started_at: datetime
    died_at: datetime | None = None


@dataclass(frozen=True)
class Move:
    """One change of state in the ledger's append-only events, in order."""

    job_id: str
    from_state: str | None
    to_state: str


@dataclass(frozen=True)
class Blind:
    """A time in which nobody looked after a machine's containers: client or Docker was away."""

    node: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Asked:
    """What a person asked for: kill, run, skip or retry. `outcome`: done, refused, None: nothing.

    `jobs` are those it was granted for; `due` is the due time of a run or of what is skipped.
    """

    key: str
    kind: str
    instance: str
    outcome: str | None
    due: datetime | None = None
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Paused:
    """An instance was paused for due times after `since`, up to and with `until`."""

    instance: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class History:
    """Everything the checker looks at. `acked` and `stored` are instance ids.

    `asked` None: nobody looked at what people asked for, so nothing is said of it.
    `acked_asks` are keys of requests whose acceptance was acknowledged, `deleted` instances that
    somebody deleted. A pause need not have been noticed within `noticed_within` of its commit.
    `blind` times excuse a late stop on that machine; `calm_from` is when the last fault ended:
    until 30 s later nothing need be visible yet (G10).
    """

    dues: tuple[Due, ...]
    rows: tuple[Row, ...]
    runs: tuple[Run, ...]
    docker: tuple[DockerRun, ...]
    moves: tuple[Move, ...]
    observed_until: datetime
    acked: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()
    blind: tuple[Blind, ...] = ()
    calm_from: datetime | None = None
    asked: tuple[Asked, ...] | None = None
    acked_asks: frozenset[str] = frozenset()
    paused: tuple[Paused, ...] = ()
    deleted: frozenset[str] = frozenset()
    noticed_within: timedelta = timedelta(seconds=30)


@dataclass(frozen=True)
class Violation:
    """A promise that did not hold."""

    promise: str
    text: str
