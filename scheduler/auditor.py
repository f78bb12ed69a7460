"""Recomputes schedules and compares them with the ledger: the two must agree (G2).

What it finds is `rota_ledger_imbalance`, which must be 0: due times without a row, rows without a
due time, of the last day. A few schedules a round, so that it costs little and meets all in time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import Gauge

from common.clock import Clock
from common.db import Database, Transaction
from common.jobs import shard_of
from common.logs import logger
from scheduler.domain.audit import LedgerRow, imbalance_of, span_of
from scheduler.domain.schedule import Schedule
from scheduler.service import Scheduler

SCHEDULES_A_ROUND = 20
EVERY_S = 1.0
"""Few at a time: what is due meanwhile is not to wait for it."""

_log = logger("scheduler.auditor")
_imbalance = Gauge("rota_ledger_imbalance", "Due times without a row and rows without a due time")


@dataclass
class Auditor:
    """Goes round and round over the schedules of our shards. Owned by its loop's thread."""

    scheduler: Scheduler
    database: Database
    clock: Clock
    imbalances: dict[str, int] = field(default_factory=dict)
    _after: str = ""

    @property
    def imbalance(self) -> int:
        """What was found wrong in the last round over all."""
        return sum(self.imbalances.values())

    def run_once(self) -> None:
        """Audit the next few schedules."""
        with self.database.transaction() as transaction:
            rows = transaction.all("schedules_after", after=self._after, limit=SCHEDULES_A_ROUND)
            for row in rows:
                if row["shard"] in self.scheduler.shards:
                    self._audit(transaction, self.scheduler.definitions.schedule_from(row))
        self._after = rows[-1]["instance_id"] if len(rows) == SCHEDULES_A_ROUND else ""
        shards = self.scheduler.shards
        self.imbalances = {n: i for n, i in self.imbalances.items() if shard_of(n) in shards}
        _imbalance.set(self.imbalance)

    def _audit(self, transaction: Transaction, schedule: Schedule) -> None:
        name = schedule.instance_id
        self.imbalances.pop(name, None)
        span = span_of(schedule, self.clock.now())
        if span is None:
            return
        rows = transaction.all(
            "rows_between", instance_id=name, after=span.after, before=span.before
        )
        found = imbalance_of(
            schedule, span,
            [
                LedgerRow(row["due"], row["ordinal"], row["count"], row["until"], row["version"])
                for row in rows
            ],
        )  # fmt: skip
        if found:
            self.imbalances[name] = found
            _log.error("ledger_imbalance", instance_id=name, imbalance=found)
