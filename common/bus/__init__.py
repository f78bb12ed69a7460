"""One door to Kafka, and its twin in memory.

`Bus` is what services see. `common.bus.kafka.KafkaBus` and `common.bus.memory.MemoryBus` keep the
same promises, held by one contract suite (tests/contract/test_bus_contract.py):

* a record counts as sent after its `Pending` resolves; until then it may or may not arrive;
* records of one partition are read in the order in which they were sent by one producer;
* every record is delivered at least once; after `commit(offset)` a new consumer of the group
  begins at that offset, without a commit at the earliest record;
* topics are never made by use: an unknown topic raises `UnknownTopicError`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from common.errors import FatalError, Permanent, Retryable


class BusUnavailableError(Retryable):
    """Kafka did not answer in time."""


class UnknownTopicError(Permanent):
    """The topic does not exist; the initializer makes topics, use does not."""


class MessageTooLargeError(Permanent):
    """The record is larger than the broker takes."""


class StuckConsumerError(FatalError):
    """Records wait but do not arrive, although the consumer was rebuilt three times."""


@dataclass(frozen=True, order=True)
class Partition:
    """One partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True)
class Record:
    """One record as read. `timestamp_ms` is the broker's append time, Unix milliseconds."""

    partition: Partition
    offset: int
    key: str | None
    value: bytes
    timestamp_ms: int


@dataclass(frozen=True)
class TopicSpec:
    """A topic to be made. `compacted` keeps the last record of each key for ever."""

    name: str
    partitions: int = 1
    compacted: bool = False
    retention: Mapping[str, str] = field(default_factory=dict)


class Deed(StrEnum):
    """What is allowed; reading and writing include describing."""

    READ = "READ"
    WRITE = "WRITE"


class Resource(StrEnum):
    """What it is allowed on."""

    TOPIC = "TOPIC"
    GROUP = "GROUP"


@dataclass(frozen=True, order=True)
class Access:
    """One permission of one user on one thing, named literally."""

    user: str
    deed: Deed
    resource: Resource
    name: str


class Pending(Protocol):
    """A record on its way."""

    def wait(self, timeout_s: float) -> None:
        """Return once the record is durable; raise `BusUnavailableError` or a Permanent error."""
        ...

    def is_over(self) -> bool:
        """Tell whether its fate is known: `wait` would return or raise at once."""
        ...


class Producer(Protocol):
    """Sends records. Safe to share between threads."""

    def send(self, topic: str, key: str | None, value: bytes) -> Pending:
        """Queue one record; the partition follows from the key (murmur2, as Kafka's default).

        Raises `UnknownTopicError`, `MessageTooLargeError` or, at the latest after 5 s,
        `BusUnavailableError`, here or from `Pending.wait`.
        """
        ...

    def send_all(self, topic: str, records: Sequence[tuple[str, bytes]]) -> Pending:
        """Queue many records (key, value), as `send` does each, at a tenth of the cost.

        What is returned resolves when all are durable; when it raises, any of them may be.
        """
        ...

    def close(self) -> None:
        """Send what is queued (within 10 s) and leave."""
        ...


class Consumer(Protocol):
    """Reads assigned partitions. Owned by one thread, but for `wake`."""

    def assign(self, partitions: Collection[Partition]) -> None:
        """Read exactly these from now on, each from its committed offset or the earliest.

        A partition that was assigned before goes on where it was.
        """
        ...

    def poll(self, timeout_s: float, max_records: int = 500) -> Sequence[Record]:
        """Return records as soon as there are any, or nothing after `timeout_s` or a `wake`.

        Records of one partition come in order and without a gap; the next poll goes on after them.
        Raises `BusUnavailableError` or `StuckConsumerError`.
        """
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read this partition from `offset` next (used to retry a batch)."""
        ...

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Remember, durably, the next offset to read of each (nothing without a group)."""
        ...

    def position(self, partition: Partition) -> int:
        """Return the offset that an assigned partition is read from next."""
        ...

    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """Return the offset after the last record of each (to know when a replay is complete)."""
        ...

    def wake(self) -> None:
        """Make a `poll` in another thread return soon (0.2 s); without one, the next poll."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class Bus(Protocol):
    """The way to Kafka."""

    def producer(self) -> Producer:
        """Make a producer (idempotent, acks from all replicas)."""
        ...

    def consumer(self, group: str | None) -> Consumer:
        """Make a consumer; `group` None commits nothing and begins at the earliest record."""
        ...

    def partitions_of(self, topic: str) -> Sequence[Partition]:
        """List a topic's partitions; raise `UnknownTopicError`."""
        ...

    def create_topics(self, topics: Collection[TopicSpec]) -> Collection[str]:
        """Make those that are missing; return their names."""
        ...

    def ping(self, timeout_s: float) -> None:
        """Return if a broker answers, raise `BusUnavailableError` otherwise."""
        ...

    def close(self) -> None:
        """Close everything made here."""
        ...
