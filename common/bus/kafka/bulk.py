"""Many records at once: whole record batches, written here and handed to the driver's sender.

The driver writes record by record, with a lock, a future and a wake-up for each (45 us); written
as a whole it is 4 us. Format: record batch v2 (kafka.apache.org/documentation/#recordbatch); the
driver still numbers, sums, sends and retries the batches, with its sequence numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import errors as driver
from kafka.producer.future import FutureRecordMetadata
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.structs import TopicPartition

from common.hashing import partition_of

MOST_BATCH_BYTES = 256 * 1024
"""Well below what any broker takes as one batch (1 MiB): none is ever to be split."""

MOST_RECORD_BYTES = 1024 * 1024
_MAGIC, _NO_COMPRESSION = 2, 0
_NO_TIME_SINCE_FIRST, _NO_HEADERS, _NO_ATTRIBUTES = b"\x00", b"\x00", b"\x00"

Keyed = tuple[str, bytes]
"""A record: its key and its value."""

Encoded = tuple[bytes, bytes]


@dataclass(frozen=True)
class BatchFuture:
    """One batch on its way; looks like the future of a record."""

    batch: Any
    future: Any

    @property
    def is_done(self) -> bool:
        return bool(self.future.is_done)

    def get(self, timeout_s: float) -> None:
        self.future.get(timeout_s)
        if not self.batch.produce_future.is_done:  # split after all: we saw the fate of one half
            raise driver.KafkaTimeoutError("a batch was split on its way")


def append(client: Any, topic: str, records: Sequence[Keyed], partitions: int) -> list[BatchFuture]:
    """Queue records with the driver's producer; its sender takes them from there."""
    accumulator, now = client._accumulator, time.monotonic()  # noqa: SLF001 - see above
    stamp_ms = int(time.time() * 1000)  # noqa: TID251 - the broker's own time replaces it
    futures = []
    for number, some in _by_partition(records, partitions).items():
        place = TopicPartition(topic, number)
        for count, content in _batches(some):
            batch, future = _batch(place, (count, content), now, stamp_ms)
            with accumulator._tp_lock(place):  # noqa: SLF001
                accumulator._batches[place].append(batch)  # noqa: SLF001
                accumulator._incomplete.add(batch)  # noqa: SLF001
            futures.append(BatchFuture(batch, future))
    client._sender.wakeup()  # noqa: SLF001
    return futures


def _by_partition(records: Sequence[Keyed], partitions: int) -> dict[int, list[Encoded]]:
    found: dict[int, list[Encoded]] = {}
    for key, value in records:
        if len(value) > MOST_RECORD_BYTES:
            raise driver.MessageSizeTooLargeError(f"{len(value)} bytes")
        found.setdefault(partition_of(key, partitions), []).append((key.encode(), value))
    return found


def _batches(records: Sequence[Encoded]) -> Iterator[tuple[int, bytes]]:
    """Write records one after the other, as many as a batch may hold; yield count and bytes."""
    parts: list[bytes] = []
    count = size = 0
    for key, value in records:
        if count and size + len(key) + len(value) > MOST_BATCH_BYTES:
            yield count, b"".join(parts)
            parts, count, size = [], 0, 0
        body = b"".join((
            _NO_ATTRIBUTES, _NO_TIME_SINCE_FIRST, _varint(count), _varint(len(key)), key,
            _varint(len(value)), value, _NO_HEADERS,
        ))  # fmt: skip
        parts += (_varint(len(body)), body)
        count, size = count + 1, size + len(body)
    yield count, b"".join(parts)


def _batch(
    place: TopicPartition, records: tuple[int, bytes], now: float, stamp_ms: int
) -> tuple[Any, Any]:
    """Make the driver's batch of what is written, full already: nothing waits for more."""
    count, content = records
    memory = MemoryRecordsBuilder(_MAGIC, _NO_COMPRESSION, 0)
    builder = memory._builder  # noqa: SLF001
    builder._buffer += content  # noqa: SLF001
    builder._num_records, builder._last_offset = count, count - 1  # noqa: SLF001
    builder._first_timestamp = builder._max_timestamp = stamp_ms  # noqa: SLF001
    memory._next_offset = count  # noqa: SLF001
    batch = ProducerBatch(place, memory, now=now)
    future = FutureRecordMetadata(batch.produce_future, 0, stamp_ms, None, -1, -1, -1)
    batch._record_futures.append(future)  # noqa: SLF001
    return batch, future


def _written(number: int) -> bytes:
    """Write a number that is not negative as a zigzag varint (protocol buffers' encoding)."""
    rest, content = number << 1, bytearray()
    while rest > 0x7F:
        content.append(rest & 0x7F | 0x80)
        rest >>= 7
    content.append(rest)
    return bytes(content)


_SHORT = [_written(number) for number in range(4096)]


def _varint(number: int) -> bytes:
    return _SHORT[number] if number < 4096 else _written(number)
