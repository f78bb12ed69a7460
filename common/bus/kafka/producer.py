"""Sending to Kafka: idempotent, acknowledged by all replicas in sync."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer as DriverProducer

from common.bus import BusUnavailableError, Pending, UnknownTopicError
from common.bus.kafka import bulk
from common.bus.kafka.admin import KafkaAdmin
from common.bus.kafka.client import CONNECT_TIMEOUT_MS, build, translated

DELIVERY_TIMEOUT_MS = 8000
LINGER_MS = 2
CLOSE_WITHIN_S = 10.0
STUCK_AFTER_S = 10.0
"""So long nothing may get through before a client is taken for stuck. The driver ends a record
after 8 s, but not one in flight on a connection whose packets vanish (a cut-off machine)."""


@dataclass(frozen=True)
class KafkaPending:
    """A record on its way."""

    future: Any
    topic: str
    owner: KafkaProducer
    client: Any

    def wait(self, timeout_s: float) -> None:
        try:
            with translated():
                self.future.get(timeout_s)
        except BusUnavailableError:
            if self.future.is_done or self.owner.is_stuck(self.client):
                self.owner.replace(self.client)
            raise
        except UnknownTopicError:
            self.owner.admin.forget(self.topic)
            raise
        else:
            self.owner.note_sent()

    def is_over(self) -> bool:
        return bool(self.future.is_done)


@dataclass(frozen=True)
class KafkaPendings:
    """Several of them on their way."""

    pending: Sequence[KafkaPending]

    def wait(self, timeout_s: float) -> None:
        for one in self.pending:
            one.wait(timeout_s)

    def is_over(self) -> bool:
        return all(one.is_over() for one in self.pending)


class KafkaProducer:
    """Safe to share between threads; connects with the first record.

    After a record that was given up, the idempotent driver's sequence numbers have a gap, which
    newer brokers heal and older ones refuse for good: so a failed client is replaced by a new one.
    """

    def __init__(
        self, arguments: dict[str, Any], admin: KafkaAdmin,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.admin = admin
        self._arguments = arguments
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._client: Any = None
        self._failing_since: float | None = None

    def send(self, topic: str, key: str | None, value: bytes) -> Pending:
        self.admin.partition_count(topic)  # the driver would wait 5 s for a topic that is not there
        client = self._connected()
        with translated():
            future = client.send(topic, value=value, key=None if key is None else key.encode())
        return KafkaPending(future, topic, self, client)

    def send_all(self, topic: str, records: Sequence[tuple[str, bytes]]) -> Pending:
        count = self.admin.partition_count(topic)
        client = self._connected()
        with translated():
            client.partitions_for(topic)  # the driver's own knowledge of leaders
            futures = bulk.append(client, topic, records, count)
        return KafkaPendings([KafkaPending(each, topic, self, client) for each in futures])

    def note_sent(self) -> None:
        """Something got through."""
        self._failing_since = None

    def is_stuck(self, client: Any) -> bool:
        """Note that a record of this client was waited for in vain; tell whether it is given up."""
        with self._lock:
            if self._client is not client:
                return False
            now_s = self._monotonic()
            if self._failing_since is None:
                self._failing_since = now_s
            return now_s - self._failing_since >= STUCK_AFTER_S

    def replace(self, failed: Any) -> None:
        """Use a new client from now on, unless another thread has seen to it."""
        with self._lock:
            if self._client is not failed:
                return
            self._client = self._failing_since = None
        with suppress(Exception):
            failed.close(timeout=0)

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            with translated():
                client.close(timeout=CLOSE_WITHIN_S)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = build(
                    DriverProducer,
                    **self._arguments,
                    acks="all",
                    enable_idempotence=True,
                    allow_auto_create_topics=False,
                    delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
                    max_block_ms=CONNECT_TIMEOUT_MS,
                    linger_ms=LINGER_MS,
                    metrics_enabled=False,
                )
            return self._client
