"""Publishing instance ids: from the outbox to `app.instances`, again until Kafka has them."""

from __future__ import annotations

from common.bus import Producer
from common.clock import Clock
from common.db import Database
from common.failpoints import failpoint
from common.logs import logger
from common.messages import APP_INSTANCES, InstanceChanged, encode

SEND_TIMEOUT_S = 10.0

_log = logger("application_manager.publisher")


class Publisher:
    """Empties the outbox. Owned by its loop's thread; others only wake the loop."""

    def __init__(self, database: Database, producer: Producer, clock: Clock) -> None:
        self._database = database
        self._producer = producer
        self._clock = clock

    def run_once(self) -> float | None:
        """Publish what waits; a row goes only after Kafka confirmed its id.

        A crash in between publishes it twice, which changes nothing.
        """
        with self._database.transaction() as transaction:
            rows = transaction.all("outbox")
        if not rows:
            return None
        now = self._clock.now()
        ids = sorted({row["instance_id"] for row in rows})
        sent = [
            self._producer.send(
                APP_INSTANCES, each, encode(InstanceChanged(time=now, instance_id=each))
            )
            for each in ids
        ]
        for pending in sent:
            pending.wait(SEND_TIMEOUT_S)
        failpoint("application_manager.after_publish")
        with self._database.transaction() as transaction:
            transaction.execute("clear_outbox", ids=[row["outbox_id"] for row in rows])
        _log.info("instances_published", instances=len(ids))
        return 0.0
