"""Schedules to rows and back. The ledger's rows are in `scheduler.ledger`, all SQL in queries.sql.

Specs are read again only when their version changes: a bounded store keeps the newest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from common.db import Row, Transaction
from common.jobs import shard_of
from common.schedule import spec_from_json, spec_to_json
from scheduler.domain.fire import Firing
from scheduler.domain.schedule import ACTIVE, DELETED, PAUSED, Definition, Schedule
from scheduler.ready import Ready

MOST_DEFINITIONS = 20_000
WORTH_A_STATEMENT = 8
"""So many rows one by one cost more than a statement of their own."""
_COMMAND = msgspec.json.Decoder(tuple[str, ...])


@dataclass
class Definitions:
    """The definitions read last, by instance and version. Shared between threads."""

    _known: dict[tuple[str, int], tuple[str, Definition]] = field(default_factory=dict)

    def of(self, row: Row) -> Definition:
        """Return the definition in a row that has version, spec, image and command."""
        key = row["instance_id"], row["version"]
        known = self._known.get(key)
        if known is not None and known[0] == row["spec"]:
            return known[1]
        definition = Definition(
            version=row["version"],
            spec=spec_from_json(row["spec"]),
            image=row["image"],
            command=_COMMAND.decode(row["command"]),
        )
        if len(self._known) >= MOST_DEFINITIONS:
            self._known.clear()
        self._known[key] = (row["spec"], definition)
        return definition

    def schedule_from(self, row: Row) -> Schedule:
        """Read a row of `schedules`."""
        return Schedule(
            instance_id=row["instance_id"],
            shard=row["shard"],
            definition=self.of(row),
            state=row["state"],
            next_due=row["next_due"],
            applied_at=row["applied_at"],
        )

    def schedules_of(
        self, transaction: Transaction, instances: Collection[str], query: str = "schedules_of"
    ) -> dict[str, Schedule]:
        """Read some schedules; with ``lock_schedules`` they are locked."""
        if not instances:
            return {}
        rows = transaction.all(query, instances=sorted(instances))
        return {row["instance_id"]: self.schedule_from(row) for row in rows}

    def versions_of(
        self, transaction: Transaction, wanted: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Definition]:
        """Return the definitions that jobs of these instances and versions are made of."""
        if not wanted:
            return {}
        instances = sorted({instance_id for instance_id, _ in wanted})
        rows = [*transaction.all("schedules_of", instances=instances)]
        there = {(row["instance_id"], row["version"]) for row in rows}
        if not set(wanted) <= there:
            past = transaction.all("past_versions_of", instances=instances)
            rows += [row for row in past if (row["instance_id"], row["version"]) not in there]
        return {(row["instance_id"], row["version"]): self.of(row) for row in rows}


def state_of(row: Row) -> str:
    """Tell the state of one of the application manager's instances."""
    return DELETED if row["deleted"] else PAUSED if row["paused"] else ACTIVE


def schedule_from_app(row: Row, definitions: Definitions) -> Schedule:
    """Read a row of the application manager's `instances`; its next due time is not known yet."""
    return Schedule(
        instance_id=row["instance_id"],
        shard=shard_of(row["instance_id"]),
        definition=definitions.of(row),
        state=state_of(row),
        next_due=None,
        applied_at=row["applied_at"],
    )


def put_schedules(transaction: Transaction, schedules: Sequence[Schedule]) -> None:
    """Write schedules, and who depends on whom.

    Not before the rows of what was due under their old versions: children follow from these.
    """
    if schedules:
        names = sorted(schedule.instance_id for schedule in schedules)
        transaction.execute("clear_dependencies", children=names)
    transaction.execute_many("put_schedules", [_row_of(schedule) for schedule in schedules])
    _put_dependencies(transaction, schedules)


def insert_schedules(
    transaction: Transaction, schedules: Sequence[Schedule], rows: Sequence[Row]
) -> None:
    """Write new schedules with the texts of the application manager's rows they were read from.

    Raises `DuplicateKeyError` where one is there already.
    """
    transaction.execute_many("insert_schedules", [
        _times_of(schedule) | {
            "version": row["version"], "spec": row["spec"], "image": row["image"],
            "command": row["command"],
        }
        for schedule, row in zip(schedules, rows, strict=True)
    ])  # fmt: skip
    _put_dependencies(transaction, schedules)


def _put_dependencies(transaction: Transaction, schedules: Sequence[Schedule]) -> None:
    edges = [
        {"parent_instance": edge.instance, "child_instance": schedule.instance_id}
        for schedule in schedules
        if schedule.state != DELETED
        for edge in schedule.spec.depends_on
    ]
    transaction.execute_many("insert_dependencies", edges)


def advance(transaction: Transaction, fired: Iterable[tuple[Schedule, Firing]]) -> None:
    """Let schedules go on at their next due times."""
    rows = [
        {
            "instance_id": schedule.instance_id,
            "next_due": firing.next_due,
            "next_stop": _stop_of(schedule, firing.next_due),
        }
        for schedule, firing in fired
    ]
    transaction.execute_many("advance_schedules", rows)


def advance_ready(transaction: Transaction, gone: Sequence[Ready]) -> None:
    """Let schedules go on whose due times were ready: together, where many go on alike."""
    alike: dict[tuple[datetime | None, datetime | None], list[str]] = {}
    for one in gone:
        alike.setdefault((one.next_due, one.next_stop), []).append(one.instance_id)
    if len(alike) * WORTH_A_STATEMENT > len(gone) > 1:
        transaction.execute_many(
            "advance_schedules",
            [{"instance_id": name, "next_due": next_due, "next_stop": next_stop}
             for (next_due, next_stop), names in alike.items() for name in names],
        )  # fmt: skip
        return
    for (next_due, next_stop), names in alike.items():
        transaction.execute(
            "advance_alike", instances=sorted(names), next_due=next_due, next_stop=next_stop
        )


def _row_of(schedule: Schedule) -> dict[str, object]:
    return _times_of(schedule) | {
        "version": schedule.version,
        "spec": spec_to_json(schedule.spec),
        "image": schedule.definition.image,
        "command": msgspec.json.encode(schedule.definition.command).decode(),
    }


def _times_of(schedule: Schedule) -> dict[str, object]:
    return {
        "instance_id": schedule.instance_id,
        "shard": schedule.shard,
        "state": schedule.state,
        "priority": schedule.spec.priority,
        "next_due": schedule.next_due,
        "next_stop": _stop_of(schedule, schedule.next_due),
        "applied_at": schedule.applied_at,
    }


def _stop_of(schedule: Schedule, due: datetime | None) -> datetime | None:
    return schedule.definition.stop_of(due)[0] if due else None
