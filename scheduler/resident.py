"""What of the schedules is kept in memory: the agenda of the next minute, and of overdue things.

The database holds all due times in their order (`by_next_due`); the agenda takes from it in
portions. So a start waits for no million of rows, and memory holds what is near.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from common.db import Row, Transaction
from scheduler.domain.agenda import Act, Agenda, Entry
from scheduler.domain.schedule import DELETED, Schedule
from scheduler.ledger import limits_of, view_of
from scheduler.ready import Ready

HORIZON = timedelta(seconds=60)
PORTION = 10_000
AHEAD = timedelta(milliseconds=300)
LEAST_AHEAD = timedelta(milliseconds=160)
"""Plain starts are written and committed so long before they are due, and sent when they are due.
Some time lies between the two, so that what is due in it is one transaction."""

DOWN_AFTER = timedelta(seconds=10)
"""A due time so long ago was missed while the platform was down: the misfire policy decides."""

_BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), "")


@dataclass
class Resident:
    """The agenda, and the backlog of what was missed. Guarded by the scheduler's lock.

    Starts are on `early`, from which they are taken some time before they are due; those that must
    wait until then, and all stops, are on `agenda`.
    """

    agenda: Agenda = field(default_factory=Agenda)
    early: Agenda = field(default_factory=Agenda)
    backlog: Agenda = field(default_factory=Agenda)
    up_since: dict[int, datetime] = field(default_factory=dict)
    upcoming: deque[str] = field(default_factory=deque)
    """Instances put on the agenda and not made ready yet, nearly in the order of due times."""
    _loaded_to: tuple[datetime, str] = _BEGINNING

    def __len__(self) -> int:
        return len(self.agenda) + len(self.early) + len(self.backlog)

    def forget(self) -> None:
        """Begin anew: nothing is loaded."""
        self.agenda.clear()
        self.early.clear()
        self.backlog.clear()
        self.upcoming.clear()
        self._loaded_to = _BEGINNING

    def take_over(self, gained: Collection[int], held: Collection[int], now: datetime) -> None:
        """Note since when we look after each shard."""
        since = {shard: self.up_since.get(shard, now) for shard in held}
        self.up_since = since | dict.fromkeys(gained, now - DOWN_AFTER)

    def was_away(self, now: datetime) -> None:
        """Nothing was looked after for a while: frozen, or without a database."""
        self.up_since = dict.fromkeys(self.up_since, now - DOWN_AFTER)

    def wants_more(self, now: datetime) -> bool:
        return self._loaded_to[0] < now + HORIZON / 2

    def load(self, transaction: Transaction, now: datetime) -> bool:
        """Take the next portion of due times in; return whether the horizon is reached."""
        until = now + HORIZON
        due, instance_id = self._loaded_to
        rows = transaction.all(
            "due_soon", due=due, instance_id=instance_id, until=until, limit=PORTION
        )
        for row in rows:
            if row["shard"] in self.up_since:
                self._put(row["instance_id"], row["next_due"], row["shard"], row["priority"])
        if len(rows) == PORTION:
            self._loaded_to = rows[-1]["next_due"], rows[-1]["instance_id"]
            return False
        self._loaded_to = until, "~"  # after every instance id
        return True

    def plan(self, schedule: Schedule) -> None:
        """Put a schedule's next due time on the agenda, if it is ours, near, and has one."""
        key, due = schedule.instance_id, schedule.next_due
        for heap in (self.agenda, self.early, self.backlog):
            heap.drop(Act.START, key)
        is_ours = schedule.shard in self.up_since and schedule.state != DELETED
        if due is not None and is_ours and (due, key) <= self._loaded_to:
            self._put(key, due, schedule.shard, schedule.spec.priority)

    def plan_ready(self, ready: Ready) -> None:
        """Put on the agenda what follows from a due time that was ready: its stop, the next one."""
        if ready.stop_at is not None:
            for command in ready.commands:
                self.agenda.put(ready.stop_at, Act.KILL, command.job_id)
        due, key = ready.next_due, ready.instance_id
        if due is not None and ready.shard in self.up_since and (due, key) <= self._loaded_to:
            self._put(key, due, ready.shard, ready.priority)

    def plan_stop(self, row: Row | Mapping[str, object]) -> None:
        """Put on the agenda when a job must be looked at, or take it off."""
        at = limits_of(row).next_stop(view_of(row))
        job_id = str(row["job_id"])
        if at is None:
            self.agenda.drop(Act.KILL, job_id)
        else:
            self.agenda.put(at, Act.KILL, job_id)

    def take_due(self, now: datetime, limit: int) -> list[Entry]:
        """Take what is due by `now`, and starts that are due soon after."""
        taken = self.agenda.take_due(now, limit)
        return taken + self.early.take_due(now + AHEAD, limit - len(taken))

    def put_back(self, entries: Collection[Entry]) -> None:
        """Put entries back that could not be carried out."""
        for entry in entries:
            heap = self.early if entry.act is Act.START else self.agenda
            heap.put(entry.at, entry.act, entry.key, entry.priority)

    def hold(self, entries: Collection[Entry], now: datetime, gone: Collection[str]) -> None:
        """Keep starts that did not go until they are due: they are not to be decided before."""
        for entry in entries:
            if entry.at > now and entry.key not in gone:
                self.early.drop(Act.START, entry.key)
                self.agenda.put(entry.at, entry.act, entry.key, entry.priority)

    def next_at(self) -> datetime | None:
        """Return when there is something to do next."""
        due, soon = self.agenda.next_at(), self.early.next_at()
        soon = soon and soon - LEAST_AHEAD
        return min((at for at in (due, soon) if at is not None), default=None)

    def _put(self, key: str, due: datetime, shard: int, priority: int) -> None:
        if due < self.up_since[shard]:
            self.backlog.put(due, Act.START, key, priority)
        else:
            self.early.put(due, Act.START, key, priority)
            self.upcoming.append(key)
