"""Reading from Kafka by assignment; offsets are committed by hand, after the database."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaConsumer as DriverConsumer
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from common.bus import (
    BusUnavailableError,
    Partition,
    Record,
    StuckConsumerError,
    UnknownTopicError,
)
from common.bus.kafka.admin import KafkaAdmin
from common.bus.kafka.client import REQUEST_TIMEOUT_MS, abandon, build, translated
from common.clock import Clock
from common.logs import logger

SLICE_MS = 200  # how late a `wake` may be noticed: the driver's poll itself cannot be interrupted
LAG_CHECK_S = 10.0
STUCK_AFTER_S = 30.0
MAX_REBUILDS = 3
CLOSE_WITHIN_MS = 2000

_log = logger("bus.kafka")


class KafkaConsumer:
    """Reads assigned partitions. Owned by one thread, but for `wake`.

    Keeps the positions itself, so that a rebuilt driver goes on where the old one was.
    """

    def __init__(
        self, arguments: dict[str, Any], group: str | None, admin: KafkaAdmin, clock: Clock
    ) -> None:
        self._arguments = arguments
        self._group = group
        self._admin = admin
        self._watch = _Watch(clock)
        self._client: Any = None
        self._positions: dict[Partition, int] = {}
        self._woken = threading.Event()

    def assign(self, partitions: Collection[Partition]) -> None:
        self._check_known(partitions)
        client = self._connected()
        with translated():
            client.assign([_driver_partition(partition) for partition in sorted(partitions)])
            self._positions = {
                partition: self._positions[partition]
                if partition in self._positions
                else self._start_of(client, partition)
                for partition in sorted(partitions)
            }
        self._watch.start()

    def poll(self, timeout_s: float, max_records: int = 500) -> Sequence[Record]:
        if not self._positions:
            self._woken.wait(timeout_s)
            self._woken.clear()
            return []
        records = self._poll_in_slices(timeout_s, max_records)
        for record in records:
            self._positions[record.partition] = record.offset + 1
        if records:
            self._watch.start()
        elif self._watch.is_check_due():
            self._check_lag()
        return records

    def seek(self, partition: Partition, offset: int) -> None:
        client = self._connected()
        with translated():
            client.seek(_driver_partition(partition), offset)
        self._positions[partition] = offset

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        if self._group is None or not offsets:
            return
        client = self._connected()
        with translated():
            client.commit(
                {
                    _driver_partition(partition): OffsetAndMetadata(offset, "", -1)
                    for partition, offset in offsets.items()
                },
                timeout_ms=REQUEST_TIMEOUT_MS,
            )

    def position(self, partition: Partition) -> int:
        return self._positions[partition]

    def end_offsets(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        self._check_known(partitions)
        client = self._connected()
        with translated():
            wanted = [_driver_partition(partition) for partition in partitions]
            ends = client.end_offsets(wanted, timeout_ms=REQUEST_TIMEOUT_MS) if wanted else {}
        return {Partition(tp.topic, tp.partition): int(end) for tp, end in ends.items()}

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self._drop()
        self._woken.set()

    def _connected(self) -> Any:
        if self._client is None:
            client = build(
                DriverConsumer,
                **self._arguments,
                group_id=self._group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                fetch_max_wait_ms=1000,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
            self._client = client
            with translated():
                client.assign([_driver_partition(partition) for partition in self._positions])
                for partition, offset in self._positions.items():
                    client.seek(_driver_partition(partition), offset)
        return self._client

    def _poll_in_slices(self, timeout_s: float, max_records: int) -> list[Record]:
        client = self._connected()
        deadline = self._watch.now() + timeout_s
        while True:
            left_ms = max(0.0, (deadline - self._watch.now()) * 1000)
            with translated():
                found = client.poll(timeout_ms=min(SLICE_MS, left_ms), max_records=max_records)
            if found or self._woken.is_set() or left_ms <= SLICE_MS:
                self._woken.clear()
                return [_record(raw) for raws in found.values() for raw in raws]

    def _start_of(self, client: Any, partition: Partition) -> int:
        position = client.position(_driver_partition(partition), timeout_ms=REQUEST_TIMEOUT_MS)
        if position is None:
            raise BusUnavailableError(f"Kafka: no position in {partition} in time")
        return int(position)

    def _check_known(self, partitions: Collection[Partition]) -> None:
        for topic in {partition.topic for partition in partitions}:
            count = self._admin.partition_count(topic)
            for partition in partitions:
                if partition.topic == topic and partition.number >= count:
                    raise UnknownTopicError(f"{topic} has no partition {partition.number}")

    def _check_lag(self) -> None:
        """Rebuild the driver when records wait but do not come (guarantees.md, 3)."""
        ends = self.end_offsets(list(self._positions))
        lag = sum(max(0, end - self._positions[partition]) for partition, end in ends.items())
        if self._watch.is_stuck(lag):
            _log.warning("consumer_rebuilt", group=self._group, lag=lag)
            self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.close(autocommit=False, timeout_ms=CLOSE_WITHIN_MS)
            abandon(client._client)  # noqa: SLF001 - `close` leaves the thread when it fails


class _Watch:
    """Counts how long records have been waiting without coming."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.start()

    def now(self) -> float:
        return self._clock.monotonic()

    def start(self) -> None:
        """All is well: records came, or reading has just begun."""
        self._checked_at = self.now()
        self._lag_since: float | None = None
        self._rebuilds = 0

    def is_check_due(self) -> bool:
        return self.now() - self._checked_at >= LAG_CHECK_S

    def is_stuck(self, lag: int) -> bool:
        """Take note of the lag; tell whether to rebuild; raise after the third time."""
        self._checked_at = now = self.now()
        if not lag:
            self._lag_since, self._rebuilds = None, 0
            return False
        if self._lag_since is None:
            self._lag_since = now
        if now - self._lag_since < STUCK_AFTER_S:
            return False
        if self._rebuilds >= MAX_REBUILDS:
            raise StuckConsumerError(f"{lag} records wait and do not come")
        self._rebuilds += 1
        self._lag_since = now
        return True


def _driver_partition(partition: Partition) -> Any:
    return TopicPartition(partition.topic, partition.number)


def _record(raw: Any) -> Record:
    key = None if raw.key is None else raw.key.decode("utf-8", "replace")
    return Record(
        Partition(raw.topic, raw.partition), raw.offset, key, raw.value or b"", raw.timestamp
    )
