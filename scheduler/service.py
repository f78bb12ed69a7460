"""The scheduler at work: it fires what is due and stops what must stop.

All state in memory is a cache of the database, guarded by one lock; `Scheduler.recover` rebuilds
it. What is decided is in `scheduler.domain`, one transaction's firing in `scheduler.firing`, what
an end sets free in `scheduler.ending`; what arrives from outside in `scheduler.intake`,
`scheduler.events` and `scheduler.requests`; sending is `scheduler.outbox`'s.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

from common.bus import BusUnavailableError, Producer
from common.clock import Clock
from common.db import Database
from common.errors import Retryable
from common.logs import logger
from scheduler.domain.agenda import Act, Entry
from scheduler.ending import Ending
from scheduler.firing import Fired, Firer, When
from scheduler.kills import Kills
from scheduler.leases import LeaseLostError, Leases
from scheduler.ledger import limits_of, lock_jobs, newborn_row, view_of
from scheduler.outbox import Outbox
from scheduler.resident import AHEAD, DOWN_AFTER, HORIZON, Resident
from scheduler.store import Definitions

BATCH = 1000
FIRST_BATCH = 100  # after a start the first commands do not wait for a thousand rows
IDLE_S = 5.0
NOT_NOW_S = 0.2
CATCH_UP_A_SECOND = 10_000
PREPARED_AT_ONCE = 100
PREPARE_PAUSE_S = 0.25
RECONCILED_WITHIN_S = 10.0

_log = logger("scheduler")

__all__ = ["LeaseLostError", "Scheduler"]


class Scheduler:
    """The agenda, guarded by `lock`; every public method takes it.

    `wake` and `wake_outbox` are called when those loops have something to do, `on_fired` when the
    outbox has new commands (it knows itself where it has a thread), `take_changed` when instances
    were edited meanwhile; `may_fire` tells if the clock can be trusted, `is_reconciled` if all said
    before our start is in the ledger.
    """

    def __init__(self, database: Database, producer: Producer, clock: Clock, replica: str) -> None:
        self.lock = threading.RLock()
        self.wake: Callable[[], None] = lambda: None
        self.wake_outbox: Callable[[], None] = self._publish_now
        self.on_fired: Callable[[], None] = self._publish_now
        self.may_fire: Callable[[], bool] = lambda: True
        self.is_reconciled: Callable[[], bool] = lambda: True
        self.take_changed: Callable[[Collection[str]], object] = lambda _: None
        self.definitions = Definitions()
        self.leases = Leases(database, replica, clock)
        self.outbox = Outbox(database, producer, clock, self.definitions, lambda: self.shards)
        self.send_kills = Kills(database, producer, lambda: self.shards).send
        self.firer = Firer(
            database, self.leases, self.definitions, self.outbox, on_doubt=self._doubt
        )
        self.resident = Resident()
        self._database = database
        self._clock = clock
        self._last_tick: datetime | None = None
        self._gained: frozenset[int] = frozenset()
        self._is_stale = self._is_busy = False
        self._batch = BATCH
        self._recovered_at = float("-inf")
        self._caught_up_at = float("-inf")

    @property
    def shards(self) -> frozenset[int]:
        return self.leases.shards

    def hold_shards(self) -> None:
        """Take or keep our leases; a change of what we hold rebuilds the agenda."""
        before = self.shards
        # without the lock: a long firing must not cost us the leases
        self._gained |= self.leases.hold()
        self._is_stale = self._is_stale or bool(self._gained) or before != self.shards
        if self._is_stale:  # still so where an earlier try to rebuild was broken off
            self.recover(self._gained)
            self._is_stale, self._gained = False, frozenset()

    def recover(self, gained: Iterable[int] = ()) -> None:
        """Rebuild the agenda: stop times now, due times portion by portion as `tick` goes on."""
        with self.lock:
            now = self._clock.now()
            with self._database.transaction() as transaction:
                live = transaction.all("live_stops", shards=self.shards) if self.shards else []
            self.resident.forget()
            self.firer.ready.clear()
            self.resident.take_over(frozenset(gained), self.shards, now)
            for row in live:
                self.resident.plan_stop(row)
            self._batch = FIRST_BATCH
            self._recovered_at = self._clock.monotonic()
            _log.info("recovered", stops=len(live), shards=len(self.shards))
        self.wake()

    def tick(self) -> float:
        """Do what is due; return the seconds until the next thing is."""
        with self.lock:
            if not self.shards or not self.leases.is_fresh() or not self.may_fire():
                return NOT_NOW_S
            now = self._clock.now()
            self._notice_downtime(now)
            is_loaded = self._load(now)
            entries = self.resident.take_due(now, self._batch)
            entries += self._take_missed(now, self._batch - len(entries))
            self._is_busy = len(entries) == self._batch
            self._carry_out(entries, now)
            self._batch = BATCH
            self._last_tick = now
            return self._wait_s(now) if is_loaded and not self._is_busy else 0.0

    def prepare(self) -> float:
        """Make some of the due times ready that come next; return the seconds to rest.

        Takes no lock: what is stale by the time it is due is noticed then.
        """
        ready, upcoming = self.firer.ready, self.resident.upcoming
        if self._is_busy or not upcoming or not ready.has_room():
            return PREPARE_PAUSE_S
        names = {upcoming.popleft() for _ in range(min(PREPARED_AT_ONCE, len(upcoming)))}
        with self._database.transaction() as transaction:
            schedules = self.definitions.schedules_of(transaction, names)
        ready.put(schedules.values(), self._clock.now() + HORIZON)
        return 0.0

    def plan_fired(self, fired: Fired) -> None:
        """Bring the agenda in step with what a transaction wrote."""
        with self.lock:
            for schedule in fired.schedules:
                self.firer.ready.drop(schedule.instance_id)
                self.resident.plan(schedule)
            for _, job in fired.made:
                self.resident.plan_stop(newborn_row(job))
            for ready in fired.ready:
                self.resident.plan_ready(ready)
        self.follow(fired.ending)

    def follow(self, ending: Ending) -> None:
        """See to what a transaction released, ended or wants stopped; called after its commit."""
        with self.lock:
            for job_id in ending.ended | ending.stopping:
                self.resident.agenda.drop(Act.KILL, job_id)
        if ending.released:
            self.plan_stops(ending.released)
            self.wake_outbox()
        if ending.stopping:
            self._try(self.send_kills)

    def plan_stops(self, job_ids: Iterable[str]) -> None:
        """Put the stop times of jobs that changed on the agenda."""
        with self._database.transaction() as transaction:
            rows = lock_jobs(transaction, job_ids)
        with self.lock:
            for row in rows.values():
                if row["shard"] in self.shards:
                    self.resident.plan_stop(row)
        self.wake()

    def publish(self) -> int:
        """Send every start command that is not confirmed as sent; return how many."""
        return self.outbox.publish()

    def look_at_waiting(self) -> None:
        """Judge every waiting or held job of ours again, in case what it waits for passed us by."""
        if not self.shards:
            return
        with self._database.transaction() as transaction:
            rows = transaction.all("waiting_jobs", shards=self.shards)
            ending = Ending(transaction, self.definitions, self._clock.now())
            if rows:
                names = sorted({row["instance_id"] for row in rows})
                transaction.all("lock_instances", instances=names)
            ending.judge_waiting(row["job_id"] for row in rows if row["state"] == "WAITING")
            for name in sorted({row["instance_id"] for row in rows if row["state"] == "QUEUED"}):
                ending.release_held(name)
        self.follow(ending)

    def leave(self) -> None:
        """Give the shards back: another replica need not wait for their leases."""
        try:
            with self.lock:
                self.outbox.mark_sent()
                self.leases.leave()
        except Retryable as error:
            _log.warning("shards_not_given_back", error=str(error))

    def figures(self) -> dict[str, Callable[[], float]]:
        """Numbers for the heartbeat."""
        return {
            "agenda": lambda: len(self.resident),
            "shards": lambda: len(self.shards),
        }

    def _load(self, now: datetime) -> bool:
        if not self.resident.wants_more(now):
            return True
        with self._database.transaction() as transaction:
            return self.resident.load(transaction, now)

    def _take_missed(self, now: datetime, room: int) -> list[Entry]:
        """Take of the backlog what the catch-up rate allows."""
        if not len(self.resident.backlog):
            return []
        since = min(1.0, self._clock.monotonic() - self._caught_up_at)
        allowed = min(room, int(since * CATCH_UP_A_SECOND))
        if allowed <= 0:
            return []
        self._caught_up_at = self._clock.monotonic()
        return self.resident.backlog.take_due(now, allowed)

    def _doubt(self) -> None:
        """What was perhaps committed is not on the agenda: let the next round rebuild it."""
        self._is_stale = True

    def _carry_out(self, entries: Sequence[Entry], now: datetime) -> None:
        try:
            self._stop([e.key for e in entries if e.act is Act.KILL], now)
            self._start([e for e in entries if e.act is Act.START], now)
        except LeaseLostError:
            self.leases.drop()
            self.resident.put_back(entries)
            raise
        except Exception:
            self.resident.put_back(entries)
            raise

    def _start(self, entries: Sequence[Entry], now: datetime) -> None:
        """Fire what is due, and what is due soon and plain; what is not plain waits until then."""
        if not entries:
            return
        when = When(now, self.resident.up_since, self._is_reconciled(), now + AHEAD)
        fired = self.firer.fire([entry.key for entry in entries], when)
        self.plan_fired(fired)
        self.resident.hold(entries, now, {ready.instance_id for ready in fired.ready})
        if fired.behind:
            self.resident.put_back([entry for entry in entries if entry.key in fired.behind])
            self.take_changed(fired.behind)
        self.on_fired()

    def _stop(self, job_ids: Sequence[str], now: datetime) -> None:
        """Wish the end of jobs whose time is over; look again later at those that got more."""
        if not job_ids:
            return
        with self._database.transaction() as transaction:
            ending = Ending(transaction, self.definitions, now)
            names = sorted({job_id.partition(".")[0] for job_id in job_ids})
            transaction.all("lock_instances", instances=names)
            rows = lock_jobs(transaction, job_ids)
            for row in rows.values():
                reason = limits_of(row).reason_now(view_of(row), now)
                if reason is not None:
                    ending.want_stop(row, reason)
        for row in rows.values():
            if row["job_id"] not in ending.ended | ending.stopping:
                self.resident.plan_stop(row)
        self.follow(ending)

    def _is_reconciled(self) -> bool:
        is_late = self._clock.monotonic() - self._recovered_at > RECONCILED_WITHIN_S
        return is_late or self.is_reconciled()

    def _notice_downtime(self, now: datetime) -> None:
        """A pause of our own (frozen, MySQL away) is downtime: the misfire policy decides then."""
        if self._last_tick is not None and now - self._last_tick > DOWN_AFTER + _IDLE:
            _log.warning("was_away", seconds=(now - self._last_tick).total_seconds())
            self.resident.was_away(now)

    def _wait_s(self, now: datetime) -> float:
        if len(self.resident.backlog):
            return 0.05
        upcoming = self.resident.next_at()
        if upcoming is None:
            return IDLE_S
        return max(0.0, min(IDLE_S, (upcoming - max(now, self._clock.now())).total_seconds()))

    def _publish_now(self) -> None:
        """Without a thread of its own the outbox sends at once."""
        self._try(self.publish)

    def _try(self, send: Callable[[], int]) -> None:
        """Send now; what does not get through is sent by the sweep."""
        try:
            send()
        except BusUnavailableError as error:
            _log.warning("not_sent_yet", error=str(error))


_IDLE = timedelta(seconds=IDLE_S)
