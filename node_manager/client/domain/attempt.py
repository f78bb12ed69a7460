"""What a client knows of one attempt: its memory (a fold of journal entries) and what Docker shows.

What to do about it is decided in `decide`; how the entries reach the disk is `client.journal`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

import msgspec

from common.jobs import container_name_of
from common.messages import ContainerChanged, ContainerState, StartContainer, StopCause
from common.messages.envelope import Instant

TOMBSTONE_AGE = timedelta(days=8)
"""A command may be delayed by 7 days (guarantees.md, 1); a stop is remembered for longer."""
EXPIRED_AGE = timedelta(hours=2)
"""Past `expires_at` a start is refused anyway; the margin is for clocks that step by an hour."""


@dataclass(frozen=True, order=True)
class Key:
    """One attempt at one job."""

    job_id: str
    attempt: int

    @property
    def name(self) -> str:
        """The name of the one container it may have."""
        return container_name_of(self.job_id, self.attempt)


class Status(StrEnum):
    """A container's state as far as it matters here."""

    CREATED = "created"
    RUNNING = "running"  # paused and restarting ones too: there may be a live process
    EXITED = "exited"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One container as Docker shows it; what its labels say is enough to keep its deadline.

    `is_ours` is False for a container that only bears the name: it is never touched.
    """

    container_id: str
    status: Status
    epoch: int = 0
    is_ours: bool = True
    stop_at: datetime | None = None
    timeout_s: int | None = None
    grace_s: int = 10
    restart: str = "never"
    stop_signal: str = "SIGTERM"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    keep_until: datetime | None = None
    """Created ahead: without a start by then it is removed."""
    spec_hash: str | None = None
    is_of_former_boot: bool = False
    """The machine was started anew since it was created."""


@dataclass(frozen=True)
class Hint:
    """A start that will probably come; nothing of it is kept over a crash."""

    start: StartContainer
    creates: bool
    keep_until: datetime
    fetched: bool = False


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """A start was taken from the topic; from now on it is this client's duty."""

    command: StartContainer


class Revoked(msgspec.Struct, frozen=True, tag="revoked"):
    """A stop was taken from the topic; it holds for `epoch` and every lower one."""

    job_id: str
    attempt: int
    epoch: int
    grace_s: int
    at: Instant


class Launching(msgspec.Struct, frozen=True, tag="launching"):
    """Docker is about to be told to start it: if it is not there later, it may have run."""

    job_id: str
    attempt: int


class Ran(msgspec.Struct, frozen=True, tag="ran"):
    """Its container was seen running, or is about to be started again (`restarts`)."""

    job_id: str
    attempt: int
    started_at: Instant
    restarts: int = 0


class Ending(msgspec.Struct, frozen=True, tag="ending"):
    """The client decided to end it: stop signal at `since`, SIGKILL at `kill_at`."""

    job_id: str
    attempt: int
    cause: StopCause
    since: Instant
    kill_at: Instant


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It cannot be started on this machine."""

    job_id: str
    attempt: int
    cause: StopCause
    detail: str


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """How it ended; the last word about it, kept until sent."""

    report: ContainerChanged


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """The last word reached Kafka."""

    job_id: str
    attempt: int


Entry = Accepted | Revoked | Launching | Ran | Ending | Failed | Finished | Sent


def key_of_entry(entry: Entry) -> Key:
    """Tell which attempt an entry is about."""
    match entry:
        case Accepted():
            return Key(entry.command.job_id, entry.command.attempt)
        case Finished():
            return Key(entry.report.job_id, entry.report.attempt)
        case _:
            return Key(entry.job_id, entry.attempt)


@dataclass(frozen=True, kw_only=True)
class Record:
    """The memory of one attempt.

    `announced` (RUNNING was reported), `signalled` (the stop signal was sent), `fetched` (the image
    was asked for) and `hint` are not kept over a crash: doing any of it twice does no harm.
    """

    command: StartContainer | None = None
    revoked: Revoked | None = None
    launching: Launching | None = None
    ran: Ran | None = None
    ending: Ending | None = None
    failed: Failed | None = None
    finished: ContainerChanged | None = None
    is_sent: bool = False
    announced: bool = False
    signalled: bool = False
    fetched: bool = False
    hint: Hint | None = None

    @property
    def epoch(self) -> int:
        """The highest epoch of a start taken; -1 if none."""
        return -1 if self.command is None else self.command.epoch


def apply(record: Record, entry: Entry) -> Record:
    """Return the memory after one more entry; the same entry again does no harm."""
    match entry:
        case Accepted():
            return _after_start(record, entry.command)
        case Revoked():
            return _after_stop(record, entry)
        case Launching():
            return replace(record, launching=entry)
        case Ran():
            return replace(record, ran=entry)
        case _:
            return _after_end(record, entry)


def _after_end(record: Record, entry: Ending | Failed | Finished | Sent) -> Record:
    match entry:
        case Ending():
            return replace(record, ending=entry)
        case Failed():
            return replace(record, failed=entry)
        case Finished():
            return replace(record, finished=entry.report, is_sent=False)
        case Sent():
            return replace(record, is_sent=True)
        case _:
            assert_never(entry)


def _after_start(record: Record, command: StartContainer) -> Record:
    if command.epoch < record.epoch:
        return record
    if command.epoch == record.epoch:  # again: the answer may have been lost
        return replace(record, is_sent=False, announced=False)
    finished = record.finished
    if finished is not None and _has_run(finished):
        again = _under(finished, command.epoch)
        return replace(record, command=command, finished=again, is_sent=False)
    if finished is not None:  # it never ran under the lower epoch
        record = replace(record, finished=None, launching=None)
    return replace(record, command=command, failed=None, is_sent=False, announced=False)


def _after_stop(record: Record, stop: Revoked) -> Record:
    finished = record.finished
    if finished is not None and stop.epoch >= record.epoch:
        finished = _under(finished, max(finished.epoch, stop.epoch))
    highest = record.revoked
    if highest is None or stop.epoch >= highest.epoch:
        highest = stop
    return replace(record, revoked=highest, finished=finished, is_sent=False)


def _has_run(finished: ContainerChanged) -> bool:
    """Tell an end after which it never runs here again; a run of a former boot is GONE."""
    return finished.state is ContainerState.EXITED or finished.started_at is not None


def _under(report: ContainerChanged, epoch: int) -> ContainerChanged:
    """Answer a later command with the same end; a new id, since it is not the same message."""
    if epoch == report.epoch:
        return report
    return msgspec.structs.replace(report, epoch=epoch, id=f"{report.id}.{epoch}")


def entries_of(record: Record) -> list[Entry]:
    """Return the fewest entries that make this record again (for compaction)."""
    entries: list[Entry] = []
    if record.command is not None:
        entries.append(Accepted(record.command))
    entries += [
        entry
        for entry in (record.revoked, record.launching, record.ran, record.ending, record.failed)
        if entry is not None
    ]
    if record.finished is not None:
        entries.append(Finished(record.finished))
        if record.is_sent:
            entries.append(Sent(record.finished.job_id, record.finished.attempt))
    return entries


def may_forget(record: Record, now: datetime) -> bool:
    """Tell whether no message that may still come needs this memory (its container is gone)."""
    if record.finished is None or not record.is_sent:
        return False
    moments = [record.finished.time or now]
    if record.command is not None:
        moments.append(record.command.expires_at + EXPIRED_AGE)
    if record.revoked is not None:
        moments.append(record.revoked.at + TOMBSTONE_AGE)
    return now > max(moments) + timedelta(hours=1)
