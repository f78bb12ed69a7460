"""Dead letters: records that nobody could use, as `common.bus.receive` buried them."""

from __future__ import annotations

import base64
import json
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from common.bus import Bus, Partition, Record, UnknownTopicError
from common.errors import Retryable
from common.logs import logger
from common.messages import fixed_topics

KEPT = 200
SHOWN_CHARACTERS = 600
AGAIN_AFTER_S = 30.0

_log = logger("letters")


@dataclass(frozen=True)
class Letter:
    """One record that could not be used, where it was, and why."""

    at: datetime
    topic: str
    partition: int
    offset: int
    key: str | None
    error: str
    value: str


class DeadLetters:
    """Keeps the newest dead letters of all topics. A loop; written by its thread, read by any.

    It is there for a screen: whatever goes wrong here is logged and ends nothing.
    """

    name = "dead_letters"

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._consumer = bus.consumer(None)
        self._is_assigned = False
        self._lock = Lock()
        self._letters: deque[Letter] = deque(maxlen=KEPT)
        self._counts: Counter[str] = Counter()

    def run_once(self) -> float:
        try:
            if not self._is_assigned:
                self._consumer.assign(self._partitions())
                self._is_assigned = True
            self.take(self._consumer.poll(1.0))
        except (Retryable, UnknownTopicError) as error:
            _log.warning("dead_letters_not_read", error=str(error))
            return AGAIN_AFTER_S
        return 0.0

    def wake(self) -> None:
        self._consumer.wake()

    def close(self) -> None:
        self._consumer.close()

    def take(self, records: Sequence[Record]) -> None:
        """Take records in."""
        with self._lock:
            for record in records:
                letter = letter_of(record)
                self._letters.append(letter)
                self._counts[letter.topic] += 1

    def newest(self) -> list[Letter]:
        """Return those that are kept, the newest first."""
        with self._lock:
            return sorted(self._letters, key=lambda letter: letter.at, reverse=True)

    def counts(self) -> dict[str, int]:
        """Return how many there are of each topic, as far back as Kafka keeps them (a week)."""
        with self._lock:
            return dict(self._counts.most_common())

    def _partitions(self) -> list[Partition]:
        found: list[Partition] = []
        for topic in fixed_topics():
            if topic.name.endswith(".dlq"):
                found.extend(self._bus.partitions_of(topic.name))
        return found


def letter_of(record: Record) -> Letter:
    """Read a dead letter; one that is not in our form is shown as it is."""
    text = record.value.decode("utf-8", "replace")
    topic = record.partition.topic.removesuffix(".dlq")
    at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict) or "error" not in told:
        return Letter(at, topic, 0, record.offset, record.key, "not in the form of a dead letter",
                      text[:SHOWN_CHARACTERS])  # fmt: skip
    return Letter(at, str(told.get("topic", topic)), int(told.get("partition", 0)),
                  int(told.get("offset", 0)), told.get("key"), str(told["error"]),
                  _value_of(told)[:SHOWN_CHARACTERS])  # fmt: skip


def _value_of(told: dict[str, Any]) -> str:
    value = str(told.get("value", ""))
    if told.get("encoding") == "base64":
        return repr(base64.b64decode(value, validate=False))
    return value
