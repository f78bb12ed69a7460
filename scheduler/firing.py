"""One firing: due schedules to rows of the ledger, in one transaction under their shards' leases.

What is decided is in `scheduler.domain`; here it is read, locked, written, and handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from common.db import Database, DatabaseUnavailableError, Row, Transaction
from common.failpoints import failpoint
from common.jobs import JobState, Reason, shard_of
from scheduler.changes import told_of
from scheduler.domain.cycles import with_edges
from scheduler.domain.fire import Firing, continue_last, fire
from scheduler.domain.overlap import LiveJob
from scheduler.domain.pauses import Pauses
from scheduler.domain.schedule import PAUSED, NewJob, Schedule, first_attempt, start_command
from scheduler.ending import Ending
from scheduler.following import Following, Made, parents_among
from scheduler.leases import Leases
from scheduler.ledger import insert_jobs, insert_ready, live_jobs_of, newest_rows_of, told_among
from scheduler.outbox import Outbox
from scheduler.ready import Command, Ready, ReadyDues, command_of, make_ready
from scheduler.store import Definitions, advance, advance_ready


@dataclass(frozen=True)
class Fired:
    """What one transaction wrote: schedules as they go on, new jobs, and what follows from them.

    What was `ready` and went as it was is told apart from the others. Nothing was decided about
    those that are `behind`: they were edited since we took them.
    """

    ending: Ending
    schedules: Sequence[Schedule] = ()
    made: Sequence[tuple[Schedule, NewJob]] = ()
    ready: Sequence[Ready] = ()
    behind: frozenset[str] = frozenset()

    def commands(self) -> Iterator[Command]:
        """Write the start commands of what may go, in order."""
        for ready in self.ready:
            yield from ready.commands
        for schedule, job in self.made:
            if job.state is JobState.QUEUED and not job.is_held:
                yield command_of(start_command(schedule.definition, first_attempt(job)))


@dataclass(frozen=True)
class When:
    """The instant fired for, and since when each shard was looked after.

    What is ready and plain may be written up to `ahead` of its due time. `told` are the pauses of
    those instances whose state is not what it was all the time.
    """

    now: datetime
    up_since: Mapping[int, datetime]
    is_reconciled: bool = True
    ahead: datetime | None = None
    told: Mapping[str, Pauses] = field(default_factory=dict)

    def up(self, shard: int) -> datetime:
        return self.up_since.get(shard, self.now)

    def is_plain(self, ready: Ready) -> bool:
        """Tell whether a due time that is ready goes as it is, perhaps some time ahead."""
        at = self.now if self.ahead is None else min(max(self.now, ready.due), self.ahead)
        return ready.is_plain(at, self.up(ready.shard))

    def is_doubtful(self, row: Row) -> bool:
        """Tell whether to ask what people said meanwhile before a schedule's due time is decided.

        That is: if nobody looked after it when it was due, and if it is paused as far as we know.
        """
        due: datetime | None = row["next_due"]
        if due is None or due > self.now:
            return False
        return row["state"] == PAUSED or due < self.up(shard_of(row["instance_id"]))

    def is_early(self, schedule: Schedule) -> bool:
        """Tell whether nothing is to be decided about a schedule yet."""
        return schedule.next_due is not None and schedule.next_due > self.now

    def must_wait(self, schedule: Schedule, live: Sequence[LiveJob]) -> bool:
        """Tell whether what is missed may be in the way of jobs whose end we have not read yet."""
        due = schedule.next_due
        return not self.is_reconciled and bool(live) and due is not None and due < self.up(
            schedule.shard
        )


@dataclass(frozen=True)
class Firer:
    """Fires batches of schedules. The caller holds the scheduler's lock."""

    database: Database
    leases: Leases
    definitions: Definitions
    outbox: Outbox
    ready: ReadyDues = field(default_factory=ReadyDues)
    on_doubt: Callable[[], None] = lambda: None
    """Called when nobody knows whether a transaction was committed."""

    def fire(self, instances: Sequence[str], when: When) -> Fired:
        """Fire many schedules in one transaction; their start commands go to the outbox."""

        def write(transaction: Transaction) -> Fired:
            rows = transaction.all("lock_due", instances=sorted(instances))
            told, behind = _doubts(transaction, [row for row in rows if when.is_doubtful(row)])
            there = {row["instance_id"]: row for row in rows if row["instance_id"] not in behind}
            names = [name for name in instances if name in there]
            ready = self.ready.take([there[name] for name in names if name not in told])
            fired = self._write(transaction, names, ready, replace(when, told=told))
            fired = replace(fired, behind=behind)
            failpoint("scheduler.before_fence")
            # last, so that the leases' rows are not locked while so much is written
            shards = {one.shard for many in (fired.ready, fired.schedules) for one in many}
            self.leases.fence(transaction, shards)
            return fired

        return self.carry_out(write)

    def carry_out(self, write: Callable[[Transaction], Fired]) -> Fired:
        """Run one transaction that writes jobs; after its commit their commands may be sent."""
        commands: list[Command] = []
        try:
            with self.database.transaction() as transaction:
                fired = write(transaction)
                commands = list(fired.commands())
                self.outbox.expect(command.job_id for command in commands)
                failpoint("scheduler.before_commit")
            failpoint("scheduler.after_commit")
            self.outbox.add(commands)
        except Exception as error:
            self.outbox.give_up(command.job_id for command in commands)
            if isinstance(error, DatabaseUnavailableError):
                self.on_doubt()
            raise
        return fired

    def write_jobs(self, ending: Ending, jobs: Made, ready: Iterable[Ready] = ()) -> Made:
        """Write jobs, those of the children they and what was ready cause; judge those that wait.

        What was ready is written already.
        """
        transaction, now = ending.transaction, ending.now
        written = {job.job_id for job in insert_jobs(transaction, jobs, now)}
        made = [(schedule, job) for schedule, job in jobs if job.job_id in written]
        causes = {(one.due, one.instance_id) for one in ready}
        made += Following(transaction, self.definitions, now).follow(causes, made)
        ending.judge_waiting(job.job_id for _, job in made if job.state is JobState.WAITING)
        return made

    def _write(
        self, transaction: Transaction, names: Sequence[str], ready: dict[str, Ready], when: When
    ) -> Fired:
        """Write what is ready and plain as it is; decide about the rest one by one."""
        live = live_jobs_of(transaction, sorted(names))
        parents = parents_among(transaction, names)
        read = self.definitions.schedules_of(transaction, set(names) - set(ready))
        for name, schedule in read.items():
            made = make_ready(schedule) if name not in when.told else None
            if made is not None:
                ready[schedule.instance_id] = made
        plain = [
            ready[name]
            for name in names
            if name in ready
            and (name not in live or ready[name].may_overlap)
            and when.is_plain(ready[name])
            and (name not in parents or ready[name].due <= when.now)  # may not be taken back
        ]
        gone = insert_ready(transaction, plain, when.now)
        advance_ready(transaction, gone)
        left = set(names) - {one.instance_id for one in gone}
        read |= self.definitions.schedules_of(transaction, left - set(read))
        others = [replace(read[name], pauses=when.told.get(name)) for name in names if name in left]
        early = [schedule for schedule in others if when.is_early(schedule)]
        rest = [(s, live.get(s.instance_id, ())) for s in others if not when.is_early(s)]
        ending = Ending(transaction, self.definitions, when.now)
        fired = self._decide_all(ending, rest, gone, when)
        return replace(fired, schedules=[*fired.schedules, *early])

    def _decide_all(
        self, ending: Ending, rest: Sequence[tuple[Schedule, Sequence[LiveJob]]],
        gone: Sequence[Ready], when: When,
    ) -> Fired:  # fmt: skip
        decided = [
            (schedule, self.decide(ending.transaction, schedule, live, when))
            for schedule, live in rest
            if not when.must_wait(schedule, live)
        ]
        jobs = [(s, job) for s, firing in decided for job in firing.jobs]
        made = self.write_jobs(ending, jobs, gone)
        advance(ending.transaction, decided)
        ending.want_stops(
            (job_id for _, firing in decided for job_id in firing.replaced), Reason.REPLACED
        )
        next_dues = {s.instance_id: firing.next_due for s, firing in decided}
        going_on = [
            replace(s, next_due=next_dues.get(s.instance_id, s.next_due)) for s, _ in rest
        ]
        return Fired(ending, going_on, made, gone)

    def decide(
        self, transaction: Transaction, schedule: Schedule, live: Sequence[LiveJob], when: When
    ) -> Firing:
        """Decide what became of a schedule's due times; a longer stretch is written at once."""
        up_since = when.up(schedule.shard)
        firing = fire(schedule, live, when.now, up_since)
        told = told_among(transaction, firing.jobs)
        if told:
            firing = fire(replace(schedule, told=told), live, when.now, up_since)
        elif all(job.state in {JobState.SKIPPED, JobState.MISSED} for job in firing.jobs):
            newest = newest_rows_of(transaction, schedule.instance_id, when.now)
            firing = continue_last(firing, schedule, newest)
        if not schedule.spec.depends_on:
            return firing
        return replace(firing, jobs=tuple(self._wait(transaction, schedule, firing.jobs)))

    def _wait(
        self, transaction: Transaction, schedule: Schedule, jobs: Iterable[NewJob]
    ) -> Iterable[NewJob]:
        for job in jobs:
            if job.state is JobState.WAITING:
                following = Following(transaction, self.definitions, job.due)
                yield with_edges(job, schedule, following.parents_of(schedule, job.due))
            else:
                yield job


def _doubts(
    transaction: Transaction, rows: Sequence[Row]
) -> tuple[dict[str, Pauses], frozenset[str]]:
    """Ask about schedules; return the pauses of those whose state turned, and who was edited."""
    if not rows:
        return {}, frozenset()
    since = min(row["next_due"] for row in rows)
    told = told_of(transaction, [row["instance_id"] for row in rows], since)
    known = {row["instance_id"]: row for row in rows if row["instance_id"] in told}
    behind = frozenset(name for name, row in known.items() if told[name].is_newer_than(row))
    turned = {
        name: told[name].pauses
        for name, row in known.items()
        if name not in behind and not told[name].is_as(row)
    }
    return turned, behind
