"""Reading a topic: poll, decode, hand over, commit, with a dead letter for what nobody can use.

What a message means is the handler's business; when to try again is the loop's
(`common.lifecycle`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from common.bus import Bus, Consumer, Partition, Producer, Record, UnknownTopicError
from common.errors import FatalError, Retryable, UnreadableMessageError
from common.logs import logger
from common.messages import dead_letter_of, decode
from common.messages.envelope import Message

DEAD_LETTER_TIMEOUT_S = 10.0

_log = logger("bus.receive")


class Received(NamedTuple):
    """A message and the record it came in."""

    message: Message
    record: Record


class TopicMissingError(Retryable):
    """The topic to read is not there yet: the platform is being set up."""


Handle = Callable[[Sequence[Received]], None]


@dataclass
class Receiver:
    """Feeds `handle` with the messages of one topic, at least once, in order within a partition.

    `source` is a topic (all its partitions) or the partitions to begin with. `group` None replays
    from the earliest record at every start. `handle` gets the messages of one poll together:

    * it returns: the records are committed;
    * it raises `Retryable`: the same records come again with the next `run_once`;
    * it raises anything else: its messages are handed over by halves, again and again, until those
      that fail stand alone: these go to the dead letter with the error; the others are committed.

    `run_once` belongs to one thread; `assign`, `wake` and `caught_up` may be called from any.
    """

    bus: Bus
    producer: Producer
    group: str | None
    source: str | Collection[Partition]
    handle: Handle
    most_records: int = 500
    """So many at most are handed over together."""
    _wanted: Collection[Partition] | None = field(default=None, init=False)
    _assigned: Collection[Partition] | None = field(default=None, init=False)
    _targets: dict[Partition, int] = field(default_factory=dict, init=False)
    _uncommitted: dict[Partition, int] = field(default_factory=dict, init=False)
    _consumer: Consumer = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        self._consumer = self.bus.consumer(self.group)
        if not isinstance(self.source, str):
            self._wanted = frozenset(self.source)

    def assign(self, partitions: Collection[Partition]) -> None:
        """Read exactly these from the next `run_once` on."""
        with self._lock:
            self._wanted = frozenset(partitions)
        self._consumer.wake()

    def run_once(self, timeout_s: float = 0.5) -> int:
        """Handle what one poll returns; return the number of records read."""
        self._apply_assignment()
        records = self._consumer.poll(timeout_s, self.most_records)
        if records:
            self._process(records)
        self._commit(records)
        self._note_progress()
        return len(records)

    def caught_up(self) -> bool:
        """Tell whether all is handled that was there when the partitions were assigned."""
        with self._lock:
            is_applied = self._assigned is not None and self._wanted in (None, self._assigned)
            return is_applied and not self._targets

    def wake(self) -> None:
        """Make `run_once` in another thread return soon."""
        self._consumer.wake()

    def close(self) -> None:
        self._consumer.close()

    def _apply_assignment(self) -> None:
        with self._lock:
            wanted = self._wanted
        if self._assigned is not None and wanted in (None, self._assigned):
            return
        try:
            partitions = frozenset(wanted if wanted is not None else self._all_partitions())
            self._consumer.assign(partitions)
            ends = dict(self._consumer.end_offsets(partitions)) if partitions else {}
        except UnknownTopicError as error:
            raise TopicMissingError(str(error)) from error
        with self._lock:
            self._assigned = partitions
            self._targets = ends
            self._uncommitted = {
                partition: offset
                for partition, offset in self._uncommitted.items()
                if partition in partitions
            }
        self._note_progress()

    def _all_partitions(self) -> Collection[Partition]:
        return self.bus.partitions_of(str(self.source))

    def _process(self, records: Sequence[Record]) -> None:
        try:
            dead = self._handle_readable(records)
            for record, error in dead:
                self._bury(record, error)
        except (Retryable, FatalError):
            self._seek_back(records)
            raise

    def _handle_readable(self, records: Sequence[Record]) -> list[tuple[Record, Exception]]:
        dead: list[tuple[Record, Exception]] = []
        batch: list[Received] = []
        for record in records:
            try:
                batch.append(Received(decode(record.partition.topic, record.value), record))
            except UnreadableMessageError as error:
                dead.append((record, error))
        if batch:
            dead += self._hand_over(batch)
        return dead

    def _hand_over(self, batch: Sequence[Received]) -> list[tuple[Record, Exception]]:
        try:
            self.handle(batch)
        except (Retryable, FatalError):
            raise
        except Exception as error:  # noqa: BLE001 - one bad message stops nobody (G12)
            if len(batch) == 1:
                _log.exception("message_not_handled", type=type(batch[0].message).__name__)
                return [(batch[0].record, error)]
            half = len(batch) // 2  # one by one would delay hundreds for the sake of one
            return [*self._hand_over(batch[:half]), *self._hand_over(batch[half:])]
        return []

    def _bury(self, record: Record, error: Exception) -> None:
        topic = dead_letter_of(record.partition.topic)
        where = {"topic": record.partition.topic, "partition": record.partition.number,
                 "offset": record.offset, "key": record.key}  # fmt: skip
        letter = {"error": f"{type(error).__name__}: {error}", **where, **_value_of(record)}
        _log.error("message_dead", error=str(error), **where)
        try:
            pending = self.producer.send(topic, record.key, json.dumps(letter).encode())
            pending.wait(DEAD_LETTER_TIMEOUT_S)
        except UnknownTopicError:
            _log.error("no_dead_letter_topic", dead_letter=topic, **letter)

    def _seek_back(self, records: Sequence[Record]) -> None:
        first: dict[Partition, int] = {}
        for record in records:
            first.setdefault(record.partition, record.offset)
        for partition, offset in first.items():
            self._consumer.seek(partition, offset)

    def _commit(self, records: Sequence[Record]) -> None:
        """Commit; what could not be committed is committed with the next batch."""
        for record in records:
            self._uncommitted[record.partition] = record.offset + 1
        if self._uncommitted and self.group is not None:
            self._consumer.commit(self._uncommitted)
        self._uncommitted = {}

    def _note_progress(self) -> None:
        if not self._targets:
            return
        left = {
            partition: end
            for partition, end in self._targets.items()
            if self._consumer.position(partition) < end
        }
        with self._lock:
            self._targets = left


def _value_of(record: Record) -> dict[str, str]:
    try:
        return {"value": record.value.decode()}
    except UnicodeDecodeError:
        return {"value": base64.b64encode(record.value).decode(), "encoding": "base64"}

