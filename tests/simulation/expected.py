"""What the ledger must hold after what people did: worked out of what was committed, and when.

A version of an instance is in force from its commit to the next one's: it answers for its due times
in between, the end included. A run that a person got, and a due time skipped in advance which a
later edit did away with, are asked for like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from common.db import Transaction
from common.jobs import job_id_of
from common.schedule.spec import spec_from_json
from tests.checker.history import Asked, Due, Paused
from tests.simulation.actions import EDIT_KEY
from tests.simulation.wanted import Wanted
from tests.simulation.world import START

FOREVER = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
NOTICED_WITHIN = timedelta(seconds=30)


@dataclass(frozen=True)
class Version:
    """One version, in force for due times after `since` up to and with `until`."""

    wanted: Wanted
    number: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Committed:
    """What people did, as the databases have it."""

    versions: Mapping[str, Sequence[Version]]
    deleted: frozenset[str]
    asked: tuple[Asked, ...]
    paused: tuple[Paused, ...]
    rows: Sequence[Mapping[str, Any]]

    def dues(self) -> tuple[Due, ...]:
        """List everything that must have a row."""
        own = [due for name in self.versions for due in self._of_schedule(name)]
        own += self._by_hand()
        own += self._skipped_ahead({(due.instance, due.due) for due in own})
        wave, found = own, list(own)
        while wave:
            wave = list(self._of_parents(wave))
            found += wave
        return tuple(found)

    def _of_schedule(self, name: str) -> Iterator[Due]:
        """A version may be fired a little longer than it is in force: till its end is noticed."""
        rows = {(r["instance_id"], r["due"], r["ordinal"]): r["version"] for r in self.rows}
        for version in self.versions[name]:
            if version.wanted.parent is None:
                for due in version.wanted.told():
                    if version.since < due.due <= version.until or (
                        version.until < due.due <= version.until + NOTICED_WITHIN
                        and rows.get((name, due.due, due.ordinal)) == version.number
                    ):
                        yield due

    def _by_hand(self) -> list[Due]:
        """Each run that was granted, as the version that its row names has it."""
        keyed = {row["job_id"]: row for row in self.rows}
        found = []
        for asked in self.asked:
            row = keyed.get(asked.jobs[0]) if asked.jobs else None
            if asked.kind == "run" and asked.outcome == "done" and asked.due is not None:
                number = None if row is None else row["version"]
                found += list(self._told(asked.instance, asked.due, number))
        return found

    def _skipped_ahead(self, known: set[tuple[str, datetime]]) -> list[Due]:
        skips = {
            (asked.instance, asked.due) for asked in self.asked
            if asked.kind == "skip" and asked.outcome == "done"
        }  # fmt: skip
        return [
            Due(row["instance_id"], row["due"], row["ordinal"])
            for row in self.rows
            if (key := (row["instance_id"], row["due"])) in skips and key not in known
        ]

    def _of_parents(self, parents: Sequence[Due]) -> Iterator[Due]:
        """A child without a schedule is due with each job of its parent.

        One that was deleted had to be there when its parent's row was written: nobody tells when
        that was, so its last jobs are asked for only where they are. So are those of its parent's
        due times that were skipped ahead, or fired before the end was noticed.
        """
        there = {row["job_id"] for row in self.rows}
        for versions in self.versions.values():
            for version in versions:
                child = version.wanted
                for due in parents:
                    if due.instance != child.parent or due.ordinal != 0:
                        continue
                    job_id = job_id_of(child.spec.id, due.due, 0)
                    is_sure = child.spec.id not in self.deleted and due.due <= version.until
                    if version.since < due.due and (is_sure or job_id in there):
                        yield from child.told_of(_second(due.due))

    def _told(self, name: str, due: datetime, number: int | None) -> Iterator[Due]:
        versions = self.versions[name]
        version = next((v for v in versions if v.number == number), versions[-1])
        return version.wanted.told_of(_second(due), is_asked_for=True)


def read_committed(
    app: Transaction, scheduler: Transaction, variants: Sequence[Wanted]
) -> Committed:
    """Read it from the two databases."""
    by_edit = {(one.spec.id, one.spec.env.get(EDIT_KEY, "0")): one for one in variants}
    rows = app.all("versions")
    versions: dict[str, list[Version]] = {}
    for row, later in zip(rows, [*rows[1:], None], strict=True):
        name = row["instance_id"]
        is_last = later is None or later["instance_id"] != name
        if row["change_kind"] != "removed":
            edit = spec_from_json(row["spec"]).env.get(EDIT_KEY, "0")
            until = FOREVER if is_last or later is None else later["applied_at"]
            one = Version(by_edit[name, edit], row["version"], row["applied_at"], until)
            versions.setdefault(name, []).append(one)
    return Committed(
        versions,
        frozenset(row["instance_id"] for row in rows if row["change_kind"] == "removed"),
        tuple(_asked(row) for row in app.all("asked")),
        tuple(_pauses(app.all("pauses"))),
        scheduler.all("jobs"),
    )


def _asked(row: Mapping[str, Any]) -> Asked:
    is_done = row["outcome"] == "done"
    due, jobs = row["due"], ()
    if row["kind"] == "run":
        due = row["due"] or row["requested_at"]
        jobs = tuple(row["detail"].split(", ")) if is_done else ()
    elif row["kind"] == "skip":
        due = datetime.fromisoformat(row["detail"]) if is_done else None
    elif row["job_id"]:
        jobs = (row["job_id"],)
    return Asked(row["request_key"], row["kind"], row["instance_id"], row["outcome"], due, jobs)


def _pauses(rows: Sequence[Mapping[str, Any]]) -> Iterator[Paused]:
    """Fold what was done to each instance into spans; a second pause of a paused one is none."""
    since: dict[str, datetime] = {}
    for row in rows:
        if row["action"] == "instance.pause":
            since.setdefault(row["target"], row["at"])
        elif row["target"] in since:
            yield Paused(row["target"], since.pop(row["target"]), row["at"])
    yield from (Paused(name, at, FOREVER) for name, at in since.items())


def _second(moment: datetime) -> float:
    return (moment - START).total_seconds()
