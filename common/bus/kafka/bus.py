"""`KafkaBus`: hands out producers and consumers that share one configuration."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from threading import Lock

from common.bus import Access, BusUnavailableError, Partition, TopicSpec
from common.bus.kafka.admin import KafkaAdmin
from common.bus.kafka.client import arguments_of
from common.bus.kafka.consumer import KafkaConsumer
from common.bus.kafka.producer import KafkaProducer
from common.clock import Clock, SystemClock
from common.config import KafkaConfig
from common.secret import Secret


class KafkaBus:
    """The way to Kafka for one process. Safe to share between threads."""

    def __init__(self, config: KafkaConfig, client_id: str, clock: Clock | None = None) -> None:
        self._arguments = arguments_of(config, client_id)
        self._clock = clock or SystemClock()
        self._admin = KafkaAdmin(self._arguments, self._clock)
        self._made: list[KafkaProducer | KafkaConsumer] = []
        self._lock = Lock()
        # the driver logs each reconnect; without a handler that would reach a terminal's stderr
        logging.getLogger("kafka").addHandler(logging.NullHandler())

    def producer(self) -> KafkaProducer:
        producer = KafkaProducer(self._arguments, self._admin)
        self._remember(producer)
        return producer

    def consumer(self, group: str | None) -> KafkaConsumer:
        consumer = KafkaConsumer(self._arguments, group, self._admin, self._clock)
        self._remember(consumer)
        return consumer

    def partitions_of(self, topic: str) -> Sequence[Partition]:
        return [Partition(topic, number) for number in range(self._admin.partition_count(topic))]

    def create_topics(self, topics: Collection[TopicSpec]) -> Collection[str]:
        return self._admin.create(topics)

    def grant(self, rules: Collection[Access]) -> None:
        """Allow what the rules say: the initializer's; the twin in memory has no users."""
        self._admin.grant(rules)

    def set_passwords(self, passwords: Mapping[str, Secret]) -> None:
        """Set users' SCRAM passwords: the initializer's, like `grant`."""
        self._admin.set_passwords(passwords)

    def out_of_sync(self) -> list[str]:
        """Name the partitions that lack a replica in sync: the initializer's, like `grant`."""
        return self._admin.out_of_sync()

    def allowed_on_cluster(self) -> list[str]:
        """Name the operations on the cluster that this user may do: the initializer's, too."""
        return self._admin.allowed_on_cluster()

    def ping(self, timeout_s: float) -> None:
        self._admin.ping(timeout_s)

    def close(self) -> None:
        with self._lock:
            made, self._made = self._made, []
        for one in made:
            with suppress(BusUnavailableError):
                one.close()
        self._admin.close()

    def _remember(self, one: KafkaProducer | KafkaConsumer) -> None:
        with self._lock:
            self._made.append(one)
