"""The jobs that follow from others: those of dependents that have no schedule of their own.

Written in the transaction that writes their parents' rows, so that a parent's due time never stands
in the ledger without its children's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.db import Transaction
from scheduler.changes import told_of
from scheduler.domain.cycles import Parents, child_jobs, follow_stretch, join_last
from scheduler.domain.schedule import PAUSED, NewJob, Schedule
from scheduler.ledger import insert_jobs, newest_rows_of
from scheduler.store import Definitions

Made = list[tuple[Schedule, NewJob]]
Cause = tuple[datetime, str]
"""A due time, and the instance it is a due time of."""

Children = dict[str, list[Schedule]]
"""Dependents without a schedule of their own, by parent."""

UP_TO_DATE = timedelta(seconds=10)
"""What people say is known to us after so long; what was due before that is asked about."""


@dataclass(frozen=True)
class Following:
    """One transaction's way from parents to the rows of their children."""

    transaction: Transaction
    definitions: Definitions
    now: datetime

    def follow(self, causes: Collection[Cause], written: Made) -> Made:
        """Write all that follows from due times and from rows `written`; return it."""
        made: Made = []
        ahead = set(causes) | _causes(written)
        stretches = _stretches(written)
        while ahead or stretches:
            wave = [*self._after_stretches(stretches), *self._after(sorted(ahead))]
            made += wave
            ahead, stretches = _causes(wave), _stretches(wave)
        return made

    def parents_of(self, child: Schedule, due: datetime) -> Parents:
        """Return a child's parents, and what each was due last up to `due` by the ledger."""
        names = [edge.instance for edge in child.spec.depends_on]
        schedules = self.definitions.schedules_of(self.transaction, names)
        written = {}
        for name in names:
            row = self.transaction.one("last_row", instance_id=name, until=due)
            if row is not None:
                written[name] = min(row["until"] or row["due"], due)
        return Parents(schedules, written)

    def _after(self, causes: Sequence[Cause]) -> Iterator[tuple[Schedule, NewJob]]:
        children = self._children_of({parent for _, parent in causes})
        children = self._with_pauses(children, [due for due, _ in causes])
        for due, parent in causes:
            for child in children.get(parent, ()):
                yield from self._write(child, self._jobs_of(child, (parent, due)))

    def _after_stretches(self, stretches: Made) -> Iterator[tuple[Schedule, NewJob]]:
        """A child of several parents goes by their cycles: a stretch is one of them."""
        children = self._children_of({parent.instance_id for parent, _ in stretches})
        children = self._with_pauses(children, [stretch.due for _, stretch in stretches])
        for parent, stretch in stretches:
            for child in children.get(parent.instance_id, ()):
                if len(child.spec.depends_on) > 1:
                    jobs = self._jobs_of(child, (parent.instance_id, stretch.due))
                else:
                    last = stretch.until or stretch.due
                    newest = newest_rows_of(self.transaction, child.instance_id, last)
                    jobs = join_last(child, follow_stretch(child, parent, stretch), newest)
                yield from self._write(child, jobs)

    def _write(
        self, child: Schedule, jobs: Sequence[NewJob]
    ) -> Iterator[tuple[Schedule, NewJob]]:
        pairs = [(child, job) for job in jobs]
        yield from ((child, job) for job in insert_jobs(self.transaction, pairs, self.now))

    def _jobs_of(self, child: Schedule, cause: tuple[str, datetime]) -> Sequence[NewJob]:
        newest = self.transaction.one("newest_due", instance_id=child.instance_id)
        previous = newest["due"] if newest else None
        return child_jobs(child, cause, previous, self.parents_of(child, cause[1]))

    def _with_pauses(self, children: Children, dues: Sequence[datetime]) -> Children:
        """Let children know when they were paused, where that is not sure to be as we took it."""
        every = {child.instance_id: child for some in children.values() for child in some}
        is_old = bool(dues) and min(dues) < self.now - UP_TO_DATE
        names = [name for name, child in every.items() if is_old or child.state == PAUSED]
        if not names:
            return children
        told = told_of(self.transaction, names, min(dues))
        return {
            parent: [
                replace(child, pauses=told[child.instance_id].pauses)
                if child.instance_id in told else child
                for child in some
            ]
            for parent, some in children.items()
        }  # fmt: skip

    def _children_of(self, parents: Collection[str]) -> Children:
        """Return the dependents of each parent that have no schedule of their own."""
        if not parents:
            return {}
        rows = self.transaction.all("children_of", parents=sorted(parents))
        names = {row["child_instance"] for row in rows}
        children = self.definitions.schedules_of(self.transaction, names)
        found: Children = {}
        for row in rows:
            child = children.get(row["child_instance"])
            if child is not None and child.calendar is None:
                found.setdefault(row["parent_instance"], []).append(child)
        return found


def parents_among(transaction: Transaction, names: Collection[str]) -> set[str]:
    """Return those that others depend on."""
    if not names:
        return set()
    rows = transaction.all("children_of", parents=sorted(names))
    return {row["parent_instance"] for row in rows}


def _causes(made: Made) -> set[Cause]:
    return {(job.due, schedule.instance_id) for schedule, job in made if job.until is None}


def _stretches(made: Made) -> Made:
    return [(schedule, job) for schedule, job in made if job.until is not None]
