"""New, changed, paused and deleted instances, as the application manager has them.

A message is only a wake-up: `scan` finds what changed all the same (G1). A change settles what was
due before it, in the transaction that writes it: no due time falls between two versions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from common.bus.receive import Received
from common.clock import Clock
from common.db import Database, DuplicateKeyError, Row, Transaction
from common.errors import Permanent, Retryable
from common.jobs import Reason, shard_of
from common.logs import logger
from common.messages import InstanceChanged
from scheduler.domain.schedule import Schedule
from scheduler.ending import Ending
from scheduler.firing import Fired
from scheduler.portions import PORTION, Portions
from scheduler.requests import Requests
from scheduler.service import Scheduler
from scheduler.settling import Settling, next_due_of
from scheduler.store import insert_schedules, put_schedules, schedule_from_app, state_of

SCAN_OVERLAP = timedelta(seconds=60)
SCAN_ALL = timedelta(minutes=10)
VISIBLE_WITHIN_MS = 700

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_log = logger("scheduler.intake")


class UnknownInstanceError(Permanent):
    """No instance has this id; the application manager knows none."""


class NotVisibleYetError(Retryable):
    """No instance has this id yet; its commit may be on the way."""


@dataclass
class Intake:
    """Brings instances into the schedule. `scan` and `receive_instances` may be two threads.

    `reading` reads on while a scan writes.
    """

    scheduler: Scheduler
    database: Database
    clock: Clock
    reading: Executor
    _scanned_to: datetime = _BEGINNING
    _scanned_all_at: datetime = _BEGINNING
    _scanned_for: frozenset[int] = frozenset()
    requests: Requests = field(init=False)

    def __post_init__(self) -> None:
        self.requests = Requests(self.scheduler, self.database, self.clock)
        self.scheduler.take_changed = self._take_named

    def receive_instances(self, batch: Sequence[Received]) -> None:
        """Look at instances again, as their ids come in."""
        asked = {
            received.message.instance_id: received.record.timestamp_ms
            for received in batch
            if isinstance(received.message, InstanceChanged)
        }
        unknown = set(asked)
        for names in _portions(sorted(asked)):
            unknown -= self._take_named(names)
        self.requests.carry_out()
        self.scheduler.wake()
        self._refuse(unknown, asked, self.clock.now())

    def scan(self) -> None:
        """Find changed instances without being told: a lost message changes nothing (G1).

        Every ten minutes all of them are compared, whatever their clock said when they changed; and
        when shards are gained, since their former holder may have died before it took a change.
        """
        now, shards = self.clock.now(), frozenset(self.scheduler.shards)
        is_whole = now - self._scanned_all_at >= SCAN_ALL or not shards <= self._scanned_for
        self._scanned_to = max(
            self._scanned_to, self._scan_all() if is_whole else self._scan_changed()
        )
        self._scanned_for = shards
        self._scanned_all_at = now if is_whole else self._scanned_all_at
        self.requests.carry_out()

    def _scan_all(self) -> datetime:
        """Compare all instances, in the order of their ids; return when the newest changed."""
        newest = _BEGINNING
        for portion in Portions(self.database, self.scheduler.definitions, self.reading):
            self.take(portion.behind)
            newest = max(newest, portion.newest)
        return newest

    def _scan_changed(self) -> datetime:
        """Look at what changed since the last scan; return when the newest changed."""
        since, after = self._scanned_to - SCAN_OVERLAP, ""
        newest: datetime = _BEGINNING
        while True:
            with self.database.transaction() as transaction:
                rows = transaction.all("app_changed", since=since, after=after, limit=PORTION)
            self.take(self._read_changed(rows))
            newest = max([newest, *(row["updated_at"] for row in rows)])
            if len(rows) < PORTION:
                return newest
            after = rows[-1]["instance_id"]

    def _read_changed(self, headers: Sequence[Row]) -> Sequence[Row]:
        """Read those whole that are ours and not as we have them."""
        shards = self.scheduler.shards
        ours = {r["instance_id"]: r for r in headers if shard_of(r["instance_id"]) in shards}
        if not ours:
            return []
        with self.database.transaction() as transaction:
            changed = [row["instance_id"] for row in self._changed(transaction, ours)]
            return transaction.all("app_instances", instances=changed) if changed else []

    def carry_out_requests(self) -> None:
        self.requests.carry_out()

    def _take_named(self, names: Collection[str]) -> set[str]:
        """Look at some instances again; return those that there are."""
        with self.database.transaction() as transaction:
            rows = transaction.all("app_instances", instances=sorted(names))
        self.take(rows)
        return {row["instance_id"] for row in rows}

    def take(self, rows: Sequence[Row]) -> None:
        """Write what is new or changed and ours; a due time counts from the edit on."""
        with self.scheduler.lock:
            shards = self.scheduler.shards
            ours = {r["instance_id"]: r for r in rows if shard_of(r["instance_id"]) in shards}
            if not ours:
                return
            fired = self.scheduler.firer.carry_out(lambda t: self._write(t, ours))
            self.scheduler.plan_fired(fired)
        if fired.schedules:
            _log.info("schedules_taken", count=len(fired.schedules),
                      first=fired.schedules[0].instance_id)  # fmt: skip
            self.scheduler.wake_outbox()
            self.scheduler.wake()

    @staticmethod
    def _changed(transaction: Transaction, rows: Mapping[str, Row]) -> list[Row]:
        if not rows:
            return []
        known = {
            row["instance_id"]: (row["version"], row["state"], row["applied_at"])
            for row in transaction.all("known_versions", instances=list(rows))
        }
        return [
            row
            for name, row in rows.items()
            if known.get(name) != (row["version"], state_of(row), row["applied_at"])
        ]

    def _write(self, transaction: Transaction, rows: Mapping[str, Row]) -> Fired:
        """Write what is new; settle what was due under the rest's old versions, and write those."""
        ending = Ending(transaction, self.scheduler.definitions, self.clock.now())
        new, others = self._insert_new(transaction, rows)
        changed = _not_overtaken(transaction, self._changed(transaction, others))
        if not changed:
            self.scheduler.leases.fence(transaction, {schedule.shard for schedule in new})
            return Fired(ending, new)
        firer = self.scheduler.firer
        settled = Settling(ending, firer, self.scheduler.resident.up_since).settle(changed)
        made = firer.write_jobs(ending, settled.jobs)
        ending.want_stops(settled.replaced, Reason.REPLACED)
        put_schedules(transaction, settled.schedules)
        for name, until in settled.removed.items():
            live = transaction.all("unended_jobs_of", instance_id=name)
            ending.want_stops(
                [row["job_id"] for row in live if until is None or row["due"] <= until],
                Reason.USER,
            )
        self.scheduler.leases.fence(transaction, {one.shard for one in (*new, *settled.schedules)})
        return Fired(ending, [*new, *settled.schedules], made)

    def _insert_new(
        self, transaction: Transaction, rows: Mapping[str, Row]
    ) -> tuple[list[Schedule], Mapping[str, Row]]:
        """Write those that were new when they were read; return them, and the others.

        There is nothing to settle of a first version. Where another thread was quicker, all are
        others.
        """
        fresh = [row for row in rows.values() if _is_first(row)]
        definitions = self.scheduler.definitions
        new = [
            replace(schedule, next_due=next_due_of(schedule, None))
            for schedule in (schedule_from_app(row, definitions) for row in fresh)
        ]
        try:
            insert_schedules(transaction, new, fresh)
        except DuplicateKeyError:
            return [], rows
        return new, {name: row for name, row in rows.items() if not _is_first(row)}

    @staticmethod
    def _refuse(unknown: Collection[str], asked: Mapping[str, int], now: datetime) -> None:
        """Refuse ids that nobody knows, unless their commit may still be on its way."""
        if not unknown:
            return
        newest_ms = max(asked[name] for name in unknown)
        if now.timestamp() * 1000 - newest_ms < VISIBLE_WITHIN_MS:
            raise NotVisibleYetError
        raise UnknownInstanceError(f"no instance has the id {min(unknown)!r}")


def _is_first(row: Row) -> bool:
    return bool(row["is_new"]) and row["version"] == 1


def _not_overtaken(transaction: Transaction, rows: Sequence[Row]) -> Sequence[Row]:
    """Leave out what changed since it was read: whoever learned of that may be done with it."""
    if not rows:
        return rows
    marks = {
        (mark["instance_id"], mark["version"], mark["updated_at"])
        for mark in transaction.all("app_marks", instances=[r["instance_id"] for r in rows])
    }
    return [r for r in rows if (r["instance_id"], r["version"], r["updated_at"]) in marks]


def _portions(names: Sequence[str]) -> Sequence[Sequence[str]]:
    return [names[start : start + PORTION] for start in range(0, len(names), PORTION)]
