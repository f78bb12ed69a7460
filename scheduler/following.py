"""The jobs that follow from others: those of dependents that have no schedule of their own.

Written in the transaction that writes their parents' rows, so that a parent's due time never stands
in the ledger without its children's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.db import Transaction
from scheduler.domain.cycles import Parents, child_jobs, follow_stretch, join_last
from scheduler.domain.schedule import NewJob, Schedule
from scheduler.ledger import insert_jobs, newest_rows_of
from scheduler.store import Definitions

Made = list[tuple[Schedule, NewJob]]
Cause = tuple[datetime, str]
"""A due time, and the instance it is a due time of."""


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
        for due, parent in causes:
            for child in children.get(parent, ()):
                yield from self._write(child, self._jobs_of(child, (parent, due)))

    def _after_stretches(self, stretches: Made) -> Iterator[tuple[Schedule, NewJob]]:
        """A child of several parents goes by their cycles: a stretch is one of them."""
        children = self._children_of({parent.instance_id for parent, _ in stretches})
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

    def _children_of(self, parents: Collection[str]) -> dict[str, list[Schedule]]:
        """Return the dependents of each parent that have no schedule of their own."""
        if not parents:
            return {}
        rows = self.transaction.all("children_of", parents=sorted(parents))
        names = {row["child_instance"] for row in rows}
        children = self.definitions.schedules_of(self.transaction, names)
        found: dict[str, list[Schedule]] = {}
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
