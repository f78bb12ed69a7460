"""Reports on their way to Kafka: kept in order until each is durable there.

What is reported is decided in `domain.decide`; that an unsent last word survives a crash is the
journal's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import islice

from common.bus import Producer
from common.errors import Permanent, Retryable
from common.logs import logger
from common.messages import NODE_EVENTS, ContainerChanged, encode, key_of

SEND_TIMEOUT_S = 10.0
BATCH = 200

_log = logger("client.reports")


class Outbox:
    """A queue of reports; any thread puts, one thread sends."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._changed = threading.Condition()
        self._queue: dict[tuple[str, int], ContainerChanged] = {}
        self._is_woken = False

    def put(self, report: ContainerChanged) -> None:
        """Queue a report; one that is waiting already (same id and epoch) is not queued twice."""
        with self._changed:
            self._queue.setdefault((report.id, report.epoch), report)
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._queue)

    def run_once(
        self, on_sent: Callable[[ContainerChanged], None], timeout_s: float = 0.5
    ) -> float:
        """Send what waits, telling `on_sent` of each that is durable.

        Raises `Retryable` when Kafka does not take one: it and the rest stay queued.
        """
        with self._changed:
            if not self._queue and not self._is_woken:
                self._changed.wait(timeout_s)
            self._is_woken = False
            batch = list(islice(self._queue.values(), BATCH))
        pendings = [
            (report, self._producer.send(NODE_EVENTS, key_of(report), encode(report)))
            for report in batch
        ]
        for report, pending in pendings:
            try:
                pending.wait(SEND_TIMEOUT_S)
            except Retryable:
                raise
            except Permanent as error:  # it can never be sent: the sweep and heartbeat still tell
                _log.error("report_refused", job_id=report.job_id, error=str(error))
            self._take_off(report)
            on_sent(report)
        return 0.0

    def wake(self) -> None:
        """Let `run_once` return soon."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def _take_off(self, report: ContainerChanged) -> None:
        with self._changed:
            self._queue.pop((report.id, report.epoch), None)
