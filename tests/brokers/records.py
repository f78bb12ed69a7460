"""A producer that goes on while brokers die, and what its records became."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from common.bus import Partition, TopicSpec
from common.bus.kafka import KafkaBus
from common.errors import RotaError
from tests.e2e.platform import Platform, now

TOPIC = "test.records"
EVERY_S = 0.1


class Records:
    """Sends numbered records, each until it is acknowledged; one thread writes, others look."""

    def __init__(self, platform: Platform) -> None:
        self._bus = platform.admin_bus()
        self._bus.create_topics([TopicSpec(TOPIC)])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.acknowledged: list[float] = []
        self._thread.start()

    def wait_for_more(self, count: int, within_s: float) -> None:
        """Return when so many more were acknowledged."""
        wanted, deadline = len(self.acknowledged) + count, time.monotonic() + within_s
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"no {count} records within {within_s:.0f} s"
            time.sleep(0.05)

    def longest_gap_s(self, since: float) -> float:
        """Return the longest time between two acknowledgements, the first of them after `since`."""
        after = [since, *(moment for moment in self.acknowledged if moment > since)]
        return max(b - a for a, b in pairwise(after))

    def lost(self) -> set[int]:
        """Read the topic whole; return the numbers that were acknowledged and are not in it."""
        consumer = self._bus.consumer(None)
        consumer.assign([Partition(TOPIC, 0)])
        found: set[int] = set()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            polled = consumer.poll(1.0, 10_000)
            found |= {int(record.value) for record in polled}
            if not polled and found >= set(range(len(self.acknowledged))):
                break
        return set(range(len(self.acknowledged))) - found

    def leader(self) -> int:
        """Return the seat of the broker that takes the records."""
        return int(described(self._bus)[TOPIC][0]["leader_id"])

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    def close(self) -> None:
        self.stop()
        self._bus.close()

    def _send(self) -> None:
        producer = self._bus.producer()
        number = 0
        while not self._stop.wait(EVERY_S):
            try:
                producer.send(TOPIC, str(number), str(number).encode()).wait(12.0)
            except RotaError:
                continue
            self.acknowledged.append(now().timestamp())
            number += 1


def described(bus: KafkaBus) -> Mapping[str, list[dict[str, Any]]]:
    """Return the partitions of every topic, as the brokers tell of them."""
    with bus._admin._connected() as client:
        topics = client.describe_topics(client.list_topics())
    return {topic["name"]: topic["partitions"] for topic in topics}


@contextmanager
def sending(platform: Platform) -> Iterator[Records]:
    records = Records(platform)
    try:
        yield records
    finally:
        records.close()
