"""The platform client at work: takes commands, carries out decisions, keeps what it sees.

What to do is decided in `domain.decide`; threads are given by `__main__`. One attempt is worked on
by one thread at a time (`deadlines`), so its commands keep their order.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from common.bus.receive import Received
from common.errors import Retryable
from common.logs import logger
from common.messages import (
    ContainerChanged,
    ContainerState,
    PrepareContainer,
    RunningContainer,
    StartContainer,
    StopCause,
    StopContainer,
)
from node_manager.client.deadlines import Lane
from node_manager.client.domain.actions import Announce, Fetch, Finish, Wait
from node_manager.client.domain.attempt import (
    Accepted,
    Entry,
    Key,
    Record,
    Revoked,
    Seen,
    Sent,
    Status,
    key_of_entry,
)
from node_manager.client.domain.decide import decide
from node_manager.client.engine import EngineUnavailableError
from node_manager.client.hands import Hands, Parts
from node_manager.client.standing import Standing, StandingUnknownError

MOST_ACTIONS = 12
"""From create to removal an attempt takes 8; more means that something fights with us."""
RETRY_AFTER = timedelta(seconds=1)
CLOCKS_DIFFER = timedelta(seconds=2)
"""The broker's clock and ours: a node that is further off gets nothing."""

_log = logger("client")


@dataclass
class Sight:
    """What was last seen of Docker; guarded by the agent's lock."""

    containers: dict[Key, Seen] = field(default_factory=dict)
    docker_error: str | None = "Docker was not asked yet"
    is_complete: bool = False


class Agent:
    """One machine's client. Its methods may be called from any thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._hands = Hands(parts, self.touch, self._tell)
        self._lock = threading.Lock()
        self._sight = Sight()
        self.changed = threading.Event()  # a heartbeat is wanted now

    def recover(self) -> None:
        """Take up what a former life left: unsent last words, unfinished attempts."""
        for key, record in self._parts.journal.records().items():
            if record.finished is not None and not record.is_sent:
                self._parts.outbox.put(record.finished)
            self.touch(key)

    def handle(self, batch: Sequence[Received]) -> None:
        """Take commands: on disk first, then to the workers.

        Raises `StandingUnknownError`, nothing taken, while it is not known whose they are.
        """
        standing = self._parts.register.standing()
        if standing is Standing.UNKNOWN:
            raise StandingUnknownError(self._parts.register.error())
        entries: list[Entry] = []
        keys: dict[Key, Lane] = {}
        for received in batch:
            if isinstance(received.message, PrepareContainer):
                self._take_hint(received.message, standing)
                continue
            entry = self._entry_of(received.message)
            if isinstance(entry, Accepted) and self._is_from_before(received.record.timestamp_ms):
                _log.warning("command_of_a_former_life", job_id=entry.command.job_id)
                continue
            if entry is None or not (standing is Standing.HOLDER or self._is_known(entry)):
                _log.warning("command_not_for_us", type=type(received.message).__name__)
                continue
            entries.append(entry)
            lane = Lane.URGENT if isinstance(entry, Revoked) else Lane.NORMAL
            key = key_of_entry(entry)
            keys[key] = min(lane, keys.get(key, lane))
        self._refuse_stale(entries)
        self._parts.journal.append(entries)
        for key, lane in keys.items():
            finished = self._parts.journal.get(key).finished
            if finished is not None:  # asked again: the answer may have been lost
                self._parts.outbox.put(finished)
            self.touch(key, lane)

    def _take_hint(self, message: PrepareContainer, standing: Standing) -> None:
        """Get ready for a start that will probably come, if nothing is known of it yet."""
        parts, key = self._parts, Key(message.job_id, message.start.attempt)
        is_ours = standing is Standing.HOLDER and message.node_id == parts.owner.node_id
        if not is_ours or parts.journal.get(key) != Record():
            return
        if parts.ahead.hints.note(message, parts.clock.now()):
            self.touch(key, Lane.AHEAD)

    def _entry_of(self, message: object) -> Entry | None:
        node_id = self._parts.owner.node_id
        match message:
            case StartContainer() if message.node_id == node_id:
                return Accepted(message)
            case StopContainer() if message.node_id == node_id:
                now = self._parts.clock.now()
                return Revoked(message.job_id, message.attempt, message.epoch, message.grace_s, now)
            case _:
                return None

    def _is_from_before(self, timestamp_ms: int) -> bool:
        """Tell whether a start was sent before this machine's memory began: it was wiped since.

        What it did then is not known: the start may have happened. Who sent it and still wants it
        sends it again.
        """
        born_at = self._parts.journal.born_at
        if born_at is None or timestamp_ms <= 0:
            return False
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC) < born_at - CLOCKS_DIFFER

    def _is_known(self, entry: Entry) -> bool:
        """Tell whether a machine without the name must heed it: a stop of what runs here."""
        key = key_of_entry(entry)
        return isinstance(entry, Revoked) and self._parts.journal.get(key).epoch >= 0

    def touch(self, key: Key, lane: Lane = Lane.URGENT) -> None:
        """Let a worker look at an attempt now."""
        self._parts.deadlines.put(key, self._parts.clock.now(), lane)

    def work_once(self, lane: Lane, timeout_s: float = 0.5) -> bool:
        """Look at one attempt that is due; False if none was."""
        deadlines = self._parts.deadlines
        key = deadlines.take(lane, timeout_s)
        if key is None:
            return False
        try:
            self._step(key)
        except EngineUnavailableError:  # the sweep tells of it, once
            deadlines.put(key, self._parts.clock.now() + RETRY_AFTER, Lane.URGENT)
        except (Retryable, OSError) as error:
            _log.warning("attempt_not_served", job_id=key.job_id, error=str(error))
            deadlines.put(key, self._parts.clock.now() + RETRY_AFTER, Lane.URGENT)
        except Exception:
            deadlines.put(key, self._parts.clock.now() + 10 * RETRY_AFTER, Lane.NORMAL)
            raise
        finally:
            deadlines.done(key)
        return True

    def sweep(self) -> None:
        """Compare Docker with what is known; whatever differs is looked at."""
        try:
            listed = dict(self._parts.engine.containers())
        except Retryable as error:
            with self._lock:
                is_news = self._sight.docker_error is None
                self._sight.docker_error = str(error)
            if is_news:
                self.changed.set()
            raise
        records = self._parts.journal.records()
        with self._lock:
            known = self._sight.containers
            differing = {key for key, seen in listed.items() if _differs(seen, known.get(key))}
            gone = set(known) - set(listed)
            if not self._sight.is_complete:  # later the workers alone add and remove
                self._sight.containers = listed | known
                self._sight.is_complete = True
            is_news = self._sight.docker_error is not None
            self._sight.docker_error = None
        unsettled = {
            key for key, record in records.items() if record.finished is None and key not in listed
        }
        for key in differing | gone | unsettled:
            self.touch(key)
        if is_news:
            self.changed.set()

    def containers(self) -> tuple[RunningContainer, ...]:
        """List what a heartbeat tells: all of ours that run or are kept."""
        with self._lock:
            seen = dict(self._sight.containers)
        journal = self._parts.journal
        rows = (_row_of(key, journal.get(key), one) for key, one in sorted(seen.items(), key=_by))
        return tuple(row for row in rows if row is not None)

    def docker_error(self) -> str | None:
        """Return why Docker cannot be used, None if it can."""
        with self._lock:
            return self._sight.docker_error

    def on_sent(self, report: ContainerChanged) -> None:
        """Note that a report is durable in Kafka."""
        if report.state is not ContainerState.RUNNING:
            key = Key(report.job_id, report.attempt)
            finished = self._parts.journal.get(key).finished
            if finished is not None and finished.id == report.id:
                self._parts.journal.note(Sent(report.job_id, report.attempt))
            self.touch(key, Lane.NORMAL)

    def _tell(self) -> None:
        self.changed.set()

    def _refuse_stale(self, entries: list[Entry]) -> None:
        """Answer starts below the known epoch; they change nothing."""
        for entry in list(entries):
            if not isinstance(entry, Accepted):
                continue
            start = entry.command
            known = self._parts.journal.get(Key(start.job_id, start.attempt)).epoch
            if start.epoch < known:
                entries.remove(entry)
                report = ContainerChanged(
                    node_id=start.node_id, job_id=start.job_id, attempt=start.attempt,
                    epoch=start.epoch, state=ContainerState.REFUSED, cause=start.id,
                    stop_cause=StopCause.STALE, time=self._parts.clock.now(),
                    detail=f"epoch {known} is known here",
                )  # fmt: skip
                self._parts.outbox.put(report)

    def _step(self, key: Key) -> None:
        """Decide and do, until there is nothing to do for now."""
        seen, is_stale = None, True
        for _ in range(MOST_ACTIONS):
            if is_stale:
                seen = self._parts.engine.inspect(key.name)
                self._remember_sight(key, seen)
            record = self._parts.ahead.hints.onto(self._parts.journal.get(key), key)
            action = decide(key, record, seen, self._parts.clock.now())
            if isinstance(action, Wait):
                if action.until is not None:
                    lane = Lane.URGENT if action.is_urgent else Lane.NORMAL
                    self._parts.deadlines.put(key, action.until, lane)
                return
            if not self._hands.carry_out(key, action, seen):
                return
            is_stale = not isinstance(action, Announce | Fetch | Finish)  # they touch no container
        self._parts.deadlines.put(key, self._parts.clock.now() + RETRY_AFTER, Lane.NORMAL)

    def _remember_sight(self, key: Key, seen: Seen | None) -> None:
        with self._lock:
            before = self._sight.containers.get(key)
            if seen is None or not seen.is_ours:
                self._sight.containers.pop(key, None)
            else:
                self._sight.containers[key] = seen
        if (before.status if before else None) != (seen.status if seen else None):
            self.changed.set()


def _by(item: tuple[Key, Seen]) -> Key:
    return item[0]


def _differs(listed: Seen, known: Seen | None) -> bool:
    return (
        known is None
        or known.status is not listed.status
        or known.container_id != listed.container_id
    )


def _row_of(key: Key, record: Record, seen: Seen) -> RunningContainer | None:
    """Tell of one container; one that is about to be started again counts as running."""
    if seen.status is Status.CREATED:
        return None
    finished = record.finished
    if finished is not None and seen.status is Status.EXITED:
        return RunningContainer(
            job_id=key.job_id, attempt=key.attempt, epoch=finished.epoch,
            state=ContainerState.EXITED, exit_code=finished.exit_code,
        )  # fmt: skip
    return RunningContainer(
        job_id=key.job_id, attempt=key.attempt, epoch=max(record.epoch, seen.epoch),
        state=ContainerState.RUNNING,
    )  # fmt: skip
