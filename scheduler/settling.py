"""What was due before an edit is settled in the transaction that takes it: nothing is left out.

Each version answers for the due times from its own edit to the next one's, those included that came
and went while no scheduler looked; and at each due time the instance was paused or not. All of that
is in the application manager's history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from common.db import Row, Transaction
from common.jobs import JobState
from scheduler.ahead import take_back
from scheduler.changes import told_of
from scheduler.domain.fire import Firing
from scheduler.domain.overlap import LiveJob
from scheduler.domain.pauses import Pauses
from scheduler.domain.schedule import DELETED, NewJob, Schedule
from scheduler.ending import Ending
from scheduler.firing import Firer, When
from scheduler.following import Made
from scheduler.ledger import live_jobs_of
from scheduler.store import schedule_from_app

NEWS = timedelta(days=1)
"""An instance never seen before is settled from this long ago: a ledger that was lost stays so."""

_REMOVED = "removed"


@dataclass
class Settled:
    """How schedules go on, what became of their due times, and which jobs must end for that.

    `removed`: the instances that were not there for a while, and the last moment of that.
    """

    schedules: list[Schedule] = field(default_factory=list)
    jobs: Made = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    removed: dict[str, datetime | None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Case:
    """One instance: as we had it, its versions since, its live jobs, when it was paused."""

    known: Schedule | None
    rows: Sequence[Row]
    live: Sequence[LiveJob]
    pauses: Pauses


@dataclass(frozen=True)
class Settling:
    """One transaction's settling. The caller holds the scheduler's lock."""

    ending: Ending
    firer: Firer
    up_since: Mapping[int, datetime]

    def settle(self, changed: Sequence[Row]) -> Settled:
        """Decide what was due up to each change; remember the versions that are past by it."""
        transaction, definitions = self.ending.transaction, self.ending.definitions
        names = [row["instance_id"] for row in changed]
        before = definitions.schedules_of(transaction, names, "lock_schedules")
        for name, due in take_back(self.ending, self.firer.outbox, before).items():
            before[name] = replace(before[name], next_due=due)
        live = live_jobs_of(transaction, sorted(before))
        passed = self._passed(before, changed)
        told = told_of(transaction, names, _earliest(before, passed, self.ending.now))
        settled = Settled()
        for row in changed:
            name = row["instance_id"]
            rows = (*passed.get(name, ()), row)
            self._settle(
                settled, _Case(before.get(name), rows, live.get(name, ()), told[name].pauses)
            )
        if before:
            transaction.execute("keep_versions", instances=sorted(before))
            transaction.execute("note_version_ends", instances=sorted(before))
        _keep_passed(transaction, [row for rows in passed.values() for row in rows])
        return settled

    def _passed(
        self, before: Mapping[str, Schedule], changed: Sequence[Row]
    ) -> dict[str, list[Row]]:
        """Read the versions that came and went unseen, of each instance oldest first."""
        last = {row["instance_id"]: row for row in changed}

        def is_unseen(row: Row) -> bool:
            known, newest = before.get(row["instance_id"]), last[row["instance_id"]]["version"]
            if known is None:
                return bool(row["version"] < newest and row["applied_at"] > self.ending.now - NEWS)
            return bool(known.version < row["version"] < newest)

        seen = {name: schedule.version for name, schedule in before.items()}
        skipping = [n for n, row in last.items() if row["version"] > seen.get(n, 0) + 1]
        if not skipping:
            return {}
        rows = self.ending.transaction.all("app_versions", instances=sorted(skipping))
        between = [
            {**row, "deleted": row["change_kind"] == _REMOVED, "paused": False}
            for row in rows
            if is_unseen(row)
        ]
        return {name: list(of) for name, of in groupby(between, lambda row: row["instance_id"])}

    def _settle(self, settled: Settled, case: _Case) -> None:
        """Go from one version to the next, each up to the moment at which the next took effect.

        What the last one has missed is left to the firing, which knows what to wait for.
        """
        ahead = list(case.live)
        known = case.known and replace(case.known, pauses=case.pauses)
        for row in case.rows:
            fresh = replace(
                schedule_from_app(row, self.ending.definitions), pauses=case.pauses
            )
            if known is not None and not _is_same(known, fresh):
                cut = min(fresh.applied_at, self.ending.now)
                self._take_in(settled, known, ahead, self._decide(known, ahead, cut))
            if fresh.state == DELETED:
                is_last = row is case.rows[-1]
                settled.removed[fresh.instance_id] = None if is_last else fresh.applied_at
            known = replace(fresh, next_due=next_due_of(fresh, known))
        if known is not None and not self._is_missed(known):
            firing = self._decide(known, ahead, self.ending.now)
            self._take_in(settled, known, ahead, firing)
            known = replace(known, next_due=firing.next_due)
        if known is not None:
            settled.schedules.append(known)

    def _is_missed(self, schedule: Schedule) -> bool:
        up_since = self.up_since.get(schedule.shard, self.ending.now)
        return schedule.next_due is not None and schedule.next_due < up_since

    @staticmethod
    def _take_in(
        settled: Settled, schedule: Schedule, ahead: list[LiveJob], firing: Firing
    ) -> None:
        settled.jobs += [(schedule, job) for job in firing.jobs]
        settled.replaced += firing.replaced
        ahead += _live(firing.jobs)

    def _decide(self, known: Schedule, live: Sequence[LiveJob], cut: datetime) -> Firing:
        when = When(cut, self.up_since)
        jobs: list[NewJob] = []
        replaced: tuple[str, ...] = ()
        while True:
            firing = self.firer.decide(self.ending.transaction, known, live, when)
            jobs += firing.jobs
            replaced += firing.replaced
            if firing.next_due is None or firing.next_due > cut:
                return Firing(tuple(jobs), firing.next_due, replaced)
            known = replace(known, next_due=firing.next_due)


def next_due_of(fresh: Schedule, known: Schedule | None) -> datetime | None:
    """Return where a schedule goes on: after its edit; a pause or its end does not move it."""
    if fresh.calendar is None or fresh.state == DELETED:
        return None
    if known is not None and _is_same(known, fresh):
        return known.next_due
    return fresh.calendar.next_due(fresh.applied_at)


def _is_same(known: Schedule, fresh: Schedule) -> bool:
    return known.version == fresh.version and known.state != DELETED


def _earliest(
    before: Mapping[str, Schedule], passed: Mapping[str, Sequence[Row]], now: datetime
) -> datetime:
    """Return the earliest moment at which anything is yet to be decided."""
    undecided = [schedule.next_due for schedule in before.values() if schedule.next_due]
    edits: list[datetime] = [rows[0]["applied_at"] for rows in passed.values()]
    return min([*undecided, *edits, now])


def _keep_passed(transaction: Transaction, rows: Sequence[Row]) -> None:
    """Remember them as past versions: their jobs may be started yet."""
    transaction.execute_many("keep_passed", [
        {key: row[key] for key in ("instance_id", "version", "spec", "image", "command")}
        for row in rows
    ])  # fmt: skip
    transaction.execute_many("note_passed_ends", [
        {key: row[key] for key in ("instance_id", "version")} for row in rows
    ])  # fmt: skip


def _live(jobs: Sequence[NewJob]) -> Iterator[LiveJob]:
    for job in jobs:
        if job.state is JobState.QUEUED:
            yield LiveJob(job.job_id, job.due, job.is_held)
