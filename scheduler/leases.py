"""Which shards this replica holds, and the proof of it inside every transaction that fires.

A lease runs by the database's clock; we stop by our own monotonic clock when it may have run out.
Safety rests on neither: it rests on the epoch that `fence` compares (guarantees.md, 3).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from prometheus_client import Counter

from common.clock import Clock
from common.db import Database, Transaction
from common.errors import Retryable
from common.failpoints import failpoint
from common.logs import logger
from scheduler.domain.lease import ShardRow, Share, share_out

LEASE_S = 3.0

_log = logger("scheduler.leases")
refused = Counter(
    "rota_stale_writes_refused", "Firing transactions refused, since a lease had been lost"
)


class LeaseLostError(Retryable):
    """Another replica holds a shard we wanted to fire for; nothing was written."""


@dataclass
class Leases:
    """Shards held and their epochs. Changed by the thread that calls `hold`; any may read."""

    database: Database
    replica: str
    clock: Clock
    ttl_s: float = LEASE_S
    epochs: dict[int, int] = field(default_factory=dict)
    _renewed_at: float = float("-inf")
    _lives_on: set[int] = field(default_factory=set)

    @property
    def shards(self) -> frozenset[int]:
        return frozenset(self.epochs)

    def is_fresh(self) -> bool:
        """Tell whether our leases cannot have run out yet, by our own clock."""
        return self.clock.monotonic() - self._renewed_at < self.ttl_s

    def hold(self) -> frozenset[int]:
        """Keep, take and give up shards so that all replicas share; return those newly taken."""
        asked = self.clock.monotonic()
        ttl_us = int(self.ttl_s * 1_000_000)
        with self.database.transaction() as transaction:
            transaction.execute("see_replica", replica=self.replica, ttl_us=ttl_us)
            share = self._share(transaction)
            self._change(transaction, "renew_shards", share.keep & self._lives_on, ttl_us)
            self._change(transaction, "free_shards", share.give_up, ttl_us)
        # what an earlier process of our name held is a new epoch too: it may still be writing
        self._take(share.take | (share.keep - self._lives_on), ttl_us)
        failpoint("scheduler.after_lease")
        return self._believe(asked)

    def _share(self, transaction: Transaction) -> Share:
        alive = transaction.one("count_replicas")
        rows = [
            ShardRow(row["shard"], row["owner"], bool(row["is_free"]))
            for row in transaction.all("all_shards")
        ]
        return share_out(rows, self.replica, alive["alive"] if alive else 1)

    def _take(self, wanted: Collection[int], ttl_us: int) -> None:
        """Take what is free; what a frozen holder still has locked is for another time."""
        if not wanted:
            return
        with self.database.transaction() as transaction:
            free = transaction.all("lock_free_shards", owner=self.replica, shards=sorted(wanted))
            self._change(transaction, "take_shards", {row["shard"] for row in free}, ttl_us)

    def _change(
        self, transaction: Transaction, query: str, shards: Collection[int], ttl_us: int
    ) -> None:
        if shards:
            transaction.execute(query, owner=self.replica, shards=sorted(shards), ttl_us=ttl_us)

    def _believe(self, asked: float) -> frozenset[int]:
        """Take the database's word for what we hold; return what is new."""
        with self.database.transaction() as transaction:
            rows = transaction.all("all_shards")
        held = {row["shard"]: row["epoch"] for row in rows if row["owner"] == self.replica}
        self._renewed_at = asked
        gained = frozenset(s for s, epoch in held.items() if self.epochs.get(s) != epoch)
        if held != self.epochs:
            _log.info("shards_held", shards=sorted(held), taken=sorted(gained))
        self.epochs, self._lives_on = held, set(held)
        return gained

    def fence(self, transaction: Transaction, shards: Collection[int]) -> None:
        """Raise `LeaseLostError` unless all these shards are still ours, until the commit."""
        if not shards:
            return
        rows = transaction.all("fence", owner=self.replica, shards=sorted(shards))
        held = {row["shard"]: row["epoch"] for row in rows}
        lost = [shard for shard in shards if held.get(shard) != self.epochs.get(shard)]
        if lost or not set(shards) <= set(self.epochs):
            refused.inc()
            _log.warning("stale_write_refused", shards=sorted(lost))
            raise LeaseLostError

    def drop(self) -> None:
        """Believe in no lease until the next `hold`."""
        self._renewed_at = float("-inf")

    def leave(self) -> None:
        """Give the shards back, so that another replica need not wait for the leases' end."""
        with self.database.transaction() as transaction:
            transaction.execute("forget_replica", replica=self.replica)
            self._change(transaction, "free_shards", self.shards, 0)
        self.epochs, self._lives_on = {}, set()
