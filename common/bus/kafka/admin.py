"""What we ask the brokers about topics, over one kept connection."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kafka import errors as driver
from kafka.admin import KafkaAdminClient

from common.bus import Access, BusUnavailableError, TopicSpec
from common.bus.kafka.access import grant, set_passwords
from common.bus.kafka.client import build, translated
from common.clock import Clock
from common.secret import Secret

KNOWN_FOR_S = 60.0
LOCK_WAIT_S = 10.0


class KafkaAdmin:
    """Topics and their partitions. Safe to share between threads."""

    def __init__(self, arguments: dict[str, Any], clock: Clock) -> None:
        self._arguments = arguments
        self._clock = clock
        self._lock = threading.Lock()
        self._client: Any = None
        self._known: dict[str, tuple[int, float]] = {}

    def partition_count(self, topic: str) -> int:
        """Return how many partitions a topic has; remembered for a minute."""
        count, until = self._known.get(topic, (0, 0.0))
        if count and self._clock.monotonic() < until:
            return count
        with self._connected() as client:
            count = _partition_count(client.describe_topics([topic])[0])
        self._known[topic] = (count, self._clock.monotonic() + KNOWN_FOR_S)
        return count

    def forget(self, topic: str) -> None:
        """Ask again next time: a send or a fetch met a topic that is gone."""
        self._known.pop(topic, None)

    def create(self, topics: Collection[TopicSpec]) -> Sequence[str]:
        """Make what is missing, wait until it can be used, return the names."""
        if not topics:
            return []
        with self._connected() as client:
            there = set(client.list_topics())
            missing = [topic for topic in topics if topic.name not in there]
            created = [topic.name for topic in missing if _create(client, topic)]
            client.wait_for_topics(created)
        return created

    def grant(self, rules: Collection[Access]) -> None:
        """Allow what the rules say; raise `BusUnavailableError` when the brokers refuse."""
        with self._connected() as client:
            refused = grant(client, rules)
        if refused:
            raise BusUnavailableError(f"Kafka: {refused} of {len(rules)} permissions were refused")

    def set_passwords(self, passwords: Mapping[str, Secret]) -> None:
        """Set users' passwords; raise `BusUnavailableError` when the brokers refuse."""
        with self._connected() as client:
            refused = set_passwords(client, passwords)
        if refused:
            raise BusUnavailableError(f"Kafka: {'; '.join(refused)}")

    def out_of_sync(self) -> list[str]:
        """Name the partitions that lack a replica in sync, as `topic/number`."""
        with self._connected() as client:
            topics = client.describe_topics(client.list_topics())
        return [
            f"{topic['name']}/{one['partition_index']}"
            for topic in topics for one in topic["partitions"]
            if len(one["isr_nodes"]) < len(one["replica_nodes"])
        ]  # fmt: skip

    def allowed_on_cluster(self) -> list[str]:
        """Name the operations on the cluster that this user may do, as Kafka calls them."""
        with self._connected() as client:
            found = client.describe_cluster()
        return [str(name) for name in found.get("authorized_operations") or []]

    def ping(self, timeout_s: float) -> None:
        with self._connected(timeout_s) as client:
            client.describe_topics([])

    def close(self) -> None:
        with self._lock:
            self._drop()

    @contextmanager
    def _connected(self, wait_s: float = LOCK_WAIT_S) -> Iterator[Any]:
        if not self._lock.acquire(timeout=wait_s):
            raise BusUnavailableError("Kafka: another question has not been answered yet")
        try:
            if self._client is None:
                self._client = build(KafkaAdminClient, **self._arguments)
            with translated():
                yield self._client
        except BusUnavailableError:
            self._drop()
            raise
        finally:
            self._lock.release()

    def _drop(self) -> None:
        if self._client is not None:
            with suppress(Exception):
                self._client.close()
            self._client = None


def _partition_count(topic: dict[str, Any]) -> int:
    error = driver.for_code(topic["error_code"])
    if error is not driver.NoError:
        raise error(topic["name"])
    return len(topic["partitions"])


def _create(client: Any, topic: TopicSpec) -> bool:
    """Create one topic; False when someone else was faster."""
    configs = {"message.timestamp.type": "LogAppendTime", **topic.retention}
    if topic.compacted:
        configs["cleanup.policy"] = "compact"
        configs["min.cleanable.dirty.ratio"] = "0.1"
    options = {"num_partitions": topic.partitions, "configs": configs}
    try:
        client.create_topics({topic.name: options})
    except driver.TopicAlreadyExistsError:
        return False
    return True
