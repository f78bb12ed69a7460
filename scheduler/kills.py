"""Kills: a wish to stop is a row, sent until what it stops is confirmed to be stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Counter

from common.bus import Producer
from common.db import Database
from common.failpoints import failpoint
from common.jobs import Reason
from common.logs import logger
from common.messages import JOB_COMMANDS, KillJob, encode
from scheduler.flights import SEND_TIMEOUT_S

KILL_AGAIN_S = 5
KILLS_BEFORE_ALARM = 3

_log = logger("scheduler.kills")
_kills_failed = Counter("rota_kills_not_confirmed", "Kills not confirmed after three were sent")


@dataclass(frozen=True)
class Kills:
    """Sends those of our shards. Any thread may; the same kill sent twice is dropped."""

    database: Database
    producer: Producer
    shards: Callable[[], frozenset[int]]

    def send(self) -> int:
        """Send kills that are wanted and not confirmed; after three, say that it failed."""
        shards = self.shards()
        if not shards:
            return 0
        with self.database.transaction() as transaction:
            rows = transaction.all("unconfirmed_kills", shards=shards, again_s=KILL_AGAIN_S)
        kills = [
            KillJob(
                id=f"{row['job_id']}/{row['attempt']}/kill", job_id=row["job_id"],
                attempt=row["attempt"], reason=Reason(row["desired_stop"]),
            )
            for row in rows
        ]  # fmt: skip
        pending = [self.producer.send(JOB_COMMANDS, k.job_id, encode(k)) for k in kills]
        for sent in pending:
            sent.wait(SEND_TIMEOUT_S)
        failpoint("scheduler.after_kill")
        failing = [row["job_id"] for row in rows if row["kills_sent"] == KILLS_BEFORE_ALARM]
        if rows:
            with self.database.transaction() as transaction:
                transaction.execute("note_kills", jobs=[row["job_id"] for row in rows])
                if failing:
                    transaction.execute("note_failing_kills", jobs=failing)
        for job_id in failing:
            _kills_failed.inc()
            _log.error("kill_failed", job_id=job_id, sent=KILLS_BEFORE_ALARM)
        return len(rows)
