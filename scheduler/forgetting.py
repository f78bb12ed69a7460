"""Forgets what is needed no more: answers to people's requests, and versions long past.

The ledger itself is kept: rows of jobs, their edges and events are what was promised (G2, G11).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from common.db import Database
from common.logs import logger
from scheduler.service import Scheduler

KEEP_DAYS = 30.0
PORTION = 500
MOST_PORTIONS = 40
_FIRST_SHARD = 0

_log = logger("scheduler.forgetting")


@dataclass(frozen=True)
class Forgetting:
    """Deletes in short transactions, by key, so that nobody waits for its locks.

    Only the replica that holds the first shard does. `keep_days` is how long answers and past
    versions are kept; a version that a live job is of stays as long as the job lives.
    """

    scheduler: Scheduler
    database: Database
    keep_days: float = KEEP_DAYS

    def run_once(self) -> None:
        """Forget what is old by now, at most forty portions of each kind a round."""
        if _FIRST_SHARD not in self.scheduler.shards:
            return
        for what, forget in (("answers", self._answers), ("versions", self._versions)):
            count = _repeat(forget)
            if count:
                _log.info("forgotten", what=what, count=count)

    def _answers(self) -> int:
        with self.database.transaction() as transaction:
            rows = transaction.all("old_answers", keep_s=self._keep_s, limit=PORTION)
            if rows:
                ids = [row["request_id"] for row in rows]
                transaction.execute("forget_answers", requests=ids)
        return len(rows)

    def _versions(self) -> int:
        """Forget past versions; what is told of one here is taken back if it is still needed."""
        with self.database.transaction() as transaction:
            rows = transaction.all("old_versions", keep_s=self._keep_s, limit=PORTION)
            if not rows:
                return 0
            names = sorted({row["instance_id"] for row in rows})
            used = {
                (row["instance_id"], row["version"])
                for row in transaction.all("versions_of_live_jobs", instances=names)
            }
            old = [{"instance_id": r["instance_id"], "version": r["version"]} for r in rows]
            for key in old:
                if (key["instance_id"], key["version"]) in used:
                    transaction.execute("keep_version_longer", **key)
                else:
                    transaction.execute("forget_version", **key)
                    transaction.execute("forget_version_end", **key)
        return len(rows)

    @property
    def _keep_s(self) -> int:
        return int(self.keep_days * 86_400)


def _repeat(forget: Callable[[], int]) -> int:
    """Call until a portion is not full; return how many it was in all."""
    total = 0
    for _ in range(MOST_PORTIONS):
        count = forget()
        total += count
        if count < PORTION:
            break
    return total
