"""The bus in memory: one `MemoryBus` is one broker, for tests and for the simulation.

Thread-safe and deterministic. It keeps the promises of `common.bus` and, on demand, breaks them
the way a real broker and network do (`inject`, `available`). Nothing here is durable.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from common.bus import (
    BusUnavailableError,
    Consumer,
    MessageTooLargeError,
    Partition,
    Record,
    TopicSpec,
    UnknownTopicError,
)
from common.clock import Clock, SystemClock
from common.hashing import partition_of

MAX_RECORD_BYTES = 1_000_000


class Fault(StrEnum):
    """What may happen to one record on its way."""

    REFUSE = "refuse"  # not stored, the sender is told
    LOSE_ACK = "lose_ack"  # stored, the sender is told that it failed
    DROP = "drop"  # not stored, the sender is told that it arrived
    DUPLICATE = "duplicate"  # stored twice
    DELAY = "delay"  # stored after the topic's next record (reordered), or by `release`


@dataclass(frozen=True)
class Sent:
    """A record whose fate is known at once."""

    error: Exception | None = None

    def wait(self, timeout_s: float) -> None:
        del timeout_s
        if self.error:
            raise self.error

    def is_over(self) -> bool:
        return True


@dataclass
class _Topic:
    partitions: list[list[Record]]
    delayed: list[Record] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    next_without_key: int = 0


class _Broker:
    """What all doors to one memory bus share. Whoever reads or writes it holds `changed`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.changed = threading.Condition()
        self.topics: dict[str, _Topic] = {}
        self.committed: dict[tuple[str, Partition], int] = {}
        self.is_available = True

    def check_available(self) -> None:
        if not self.is_available:
            raise BusUnavailableError

    def topic(self, name: str) -> _Topic:
        try:
            return self.topics[name]
        except KeyError:
            raise UnknownTopicError(f"topic {name} does not exist") from None

    def log(self, partition: Partition) -> list[Record]:
        partitions = self.topic(partition.topic).partitions
        if partition.number >= len(partitions):
            raise UnknownTopicError(f"{partition.topic} has no partition {partition.number}")
        return partitions[partition.number]

    def send(self, topic_name: str, key: str | None, value: bytes) -> Sent:
        self.check_available()
        topic = self.topic(topic_name)
        if len(value) > MAX_RECORD_BYTES:
            raise MessageTooLargeError(f"{len(value)} bytes is too large for {topic_name}")
        number = self._partition_number(topic, key)
        timestamp_ms = int(self._clock.now().timestamp() * 1000)
        record = Record(Partition(topic_name, number), -1, key, value, timestamp_ms)
        fault = topic.faults.popleft() if topic.faults else None
        return self._deliver(topic, record, fault)

    def store_delayed(self, topic: _Topic) -> None:
        for record in topic.delayed:
            self._store(topic, record)
        topic.delayed.clear()

    @staticmethod
    def _partition_number(topic: _Topic, key: str | None) -> int:
        if key is not None:
            return partition_of(key, len(topic.partitions))
        topic.next_without_key += 1
        return topic.next_without_key % len(topic.partitions)

    def _deliver(self, topic: _Topic, record: Record, fault: Fault | None) -> Sent:
        if fault is Fault.DELAY:
            topic.delayed.append(record)
            return Sent()
        copies = {Fault.REFUSE: 0, Fault.DROP: 0, Fault.DUPLICATE: 2}
        for _ in range(copies.get(fault, 1) if fault else 1):
            self._store(topic, record)
        self.store_delayed(topic)
        failed = fault in (Fault.REFUSE, Fault.LOSE_ACK)
        return Sent(BusUnavailableError(f"injected: {fault}") if failed else None)

    def _store(self, topic: _Topic, record: Record) -> None:
        log = topic.partitions[record.partition.number]
        log.append(replace(record, offset=len(log)))
        self.changed.notify_all()


class MemoryBus:
    """Broker and door in one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._broker = _Broker(clock or SystemClock())

    def producer(self) -> MemoryProducer:
        return MemoryProducer(self._broker)

    def consumer(self, group: str | None) -> Consumer:
        return MemoryConsumer(self._broker, group)

    def partitions_of(self, topic: str) -> Sequence[Partition]:
        with self._broker.changed:
            self._broker.check_available()
            count = len(self._broker.topic(topic).partitions)
            return [Partition(topic, number) for number in range(count)]

    def create_topics(self, topics: Collection[TopicSpec]) -> Collection[str]:
        with self._broker.changed:
            self._broker.check_available()
            missing = [spec for spec in topics if spec.name not in self._broker.topics]
            for spec in missing:
                self._broker.topics[spec.name] = _Topic([[] for _ in range(spec.partitions)])
            return [spec.name for spec in missing]

    def ping(self, timeout_s: float) -> None:
        del timeout_s
        with self._broker.changed:
            self._broker.check_available()

    def close(self) -> None:
        """Do nothing: what was sent stays readable."""

    # for tests and the simulation

    @property
    def available(self) -> bool:
        """Whether the broker answers; set it to False for an outage."""
        return self._broker.is_available

    @available.setter
    def available(self, value: bool) -> None:
        with self._broker.changed:
            self._broker.is_available = value
            self._broker.changed.notify_all()

    def inject(self, fault: Fault, topic: str, count: int = 1) -> None:
        """Let the topic's next `count` records meet this fault (after those injected before)."""
        with self._broker.changed:
            self._broker.topic(topic).faults.extend([fault] * count)

    def release(self, topic: str) -> None:
        """Store the delayed records now."""
        with self._broker.changed:
            self._broker.store_delayed(self._broker.topic(topic))

    def records(self, topic: str) -> list[Record]:
        """List what the topic holds, partition by partition."""
        with self._broker.changed:
            return [record for log in self._broker.topic(topic).partitions for record in log]

    def committed(self, group: str, partition: Partition) -> int | None:
        """Return the group's committed offset."""
        with self._broker.changed:
            return self._broker.committed.get((group, partition))

    def forget_commits(self, group: str) -> None:
        """Lose the group's offsets, as after a recreated topic: everything is read again."""
        with self._broker.changed:
            for key in [key for key in self._broker.committed if key[0] == group]:
                del self._broker.committed[key]


class MemoryProducer:
    """Sends to a `MemoryBus`; every record's fate is known when `send` returns."""

    def __init__(self, broker: _Broker) -> None:
        self._broker = broker

    def send(self, topic: str, key: str | None, value: bytes) -> Sent:
        with self._broker.changed:
            return self._broker.send(topic, key, value)

    def send_all(self, topic: str, records: Sequence[tuple[str, bytes]]) -> Sent:
        sent = [self.send(topic, key, value) for key, value in records]
        return next((one for one in sent if one.error is not None), Sent())

    def close(self) -> None:
        """Do nothing: nothing is queued."""


class MemoryConsumer:
    """Reads a `MemoryBus`."""

    def __init__(self, broker: _Broker, group: str | None) -> None:
        self._broker = broker
        self._group = group
        self._positions: dict[Partition, int] = {}
        self._is_woken = False
        self._is_closed = False

    def assign(self, partitions: Collection[Partition]) -> None:
        with self._broker.changed:
            self._broker.check_available()
            for partition in partitions:
                self._broker.log(partition)
            self._positions = {
                partition: self._positions.get(partition, self._start_of(partition))
                for partition in sorted(partitions)
            }

    def poll(self, timeout_s: float, max_records: int = 500) -> Sequence[Record]:
        with self._broker.changed:
            self._broker.changed.wait_for(self._has_reason_to_return, timeout_s)
            self._is_woken = False
            self._broker.check_available()
            return self._take(max_records)

    def seek(self, partition: Partition, offset: int) -> None:
        with self._broker.changed:
            self._positions[partition] = offset

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        with self._broker.changed:
            self._broker.check_available()
            if self._group is not None:
                for partition, offset in offsets.items():
                    self._broker.committed[self._group, partition] = offset

    def position(self, partition: Partition) -> int:
        with self._broker.changed:
            self._broker.check_available()
            return self._positions[partition]

    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        with self._broker.changed:
            self._broker.check_available()
            return {partition: len(self._broker.log(partition)) for partition in partitions}

    def wake(self) -> None:
        with self._broker.changed:
            self._is_woken = True
            self._broker.changed.notify_all()

    def close(self) -> None:
        self._is_closed = True
        self.wake()

    def _start_of(self, partition: Partition) -> int:
        if self._group is None:
            return 0
        return self._broker.committed.get((self._group, partition), 0)

    def _has_reason_to_return(self) -> bool:
        if self._is_woken or self._is_closed or not self._broker.is_available:
            return True
        return any(
            offset < len(self._broker.log(partition))
            for partition, offset in self._positions.items()
        )

    def _take(self, max_records: int) -> list[Record]:
        taken: list[Record] = []
        for partition, offset in self._positions.items():
            room = max_records - len(taken)
            taken += self._broker.log(partition)[offset : offset + room]
        for partition, count in Counter(record.partition for record in taken).items():
            self._positions[partition] += count
        return taken
