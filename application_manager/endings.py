"""Counts how jobs end, for /metrics, from the ledger's own record of what was committed."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import Counter

from common.db import Database, Transaction
from common.jobs import TERMINAL, JobState

AT_ONCE = 1000
OVERLAP = 200
"""Event ids that are read again: a transaction that began earlier may commit later."""

ended = Counter(
    "rota_jobs_ended", "Jobs that ended; a stretch of many missed or skipped due times counts once",
    ["state"],
)  # fmt: skip
for _state in TERMINAL:
    ended.labels(_state.value)  # at 0 from the start: the first one is seen as an increase, too


@dataclass
class Endings:
    """Reads the ledger's events from when the process began. Owned by its loop's thread."""

    database: Database
    _newest: int | None = None
    _counted: dict[int, None] = field(default_factory=dict)

    def run_once(self) -> float | None:
        """Count what is new; at once again when there is more."""
        with self.database.transaction() as transaction:
            if self._newest is None:
                self._begin(transaction)
            after = max(0, (self._newest or 0) - OVERLAP)
            rows = transaction.all("events_after", after=after, limit=AT_ONCE + OVERLAP)
        for row in rows:
            if row["event_id"] not in self._counted and JobState(row["to_state"]) in TERMINAL:
                ended.labels(row["to_state"]).inc()
            self._note(row["event_id"])
        for each in list(self._counted)[: -4 * OVERLAP]:
            del self._counted[each]
        return 0.0 if len(rows) == AT_ONCE + OVERLAP else None

    def _begin(self, transaction: Transaction) -> None:
        """Take what is there as counted: a counter begins with its process."""
        row = transaction.one("newest_event")
        self._newest = int((row["event_id"] if row else 0) or 0)
        before = max(0, self._newest - OVERLAP)
        for each in transaction.all("events_after", after=before, limit=OVERLAP):
            self._note(each["event_id"])

    def _note(self, event_id: int) -> None:
        self._counted[event_id] = None
        self._newest = max(self._newest or 0, event_id)
