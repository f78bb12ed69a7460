"""The history of instances: what each version said, how two differ, and going back to one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from application_manager import store
from application_manager.domain.access import Actor
from application_manager.domain.plan import Change, Kind, find_cycle, flat
from application_manager.schedules import ConflictError, NoSuchInstanceError
from common.db import Database, Row, Transaction
from common.errors import Permanent
from common.schedule import InstanceSpec, spec_from_json, spec_to_json

ROLLED_BACK = "rolled_back"


class NoSuchVersionError(Permanent):
    """There is no such version."""


@dataclass(frozen=True)
class Versions:
    """Reads and revives versions. Safe to share between threads."""

    database: Database
    on_change: Callable[[], None]

    def history(self, instance_id: str) -> list[dict[str, Any]]:
        """List the versions of an instance, newest first, each with what it changed."""
        with self.database.transaction() as transaction:
            rows = transaction.all("list_versions", instance_id=instance_id)
        if not rows:
            raise NoSuchInstanceError(f"there is no instance {instance_id!r}")
        contents: list[Mapping[str, Any]] = [*(_content(row) for row in rows), {}]
        return [
            {
                "version": row["version"],
                "kind": row["change_kind"],
                "applied_by": row["applied_by"],
                "applied_at": row["applied_at"],
                "changes": difference(contents[index + 1], contents[index]),
                "spec": msgspec.json.decode(spec_to_json(spec_from_json(row["spec"]))),
            }
            for index, row in enumerate(rows)
        ]

    def compare(self, instance_id: str, old: int, new: int) -> list[dict[str, Any]]:
        """Tell how two versions differ, key by key."""
        with self.database.transaction() as transaction:
            before = _version(transaction, instance_id, old)
            after = _version(transaction, instance_id, new)
        return difference(_content(before), _content(after))

    def roll_back(self, instance_id: str, version: int, actor: Actor) -> int:
        """Apply an old version again, as a new one; return its number."""
        with self.database.transaction() as transaction:
            row = _version(transaction, instance_id, version)
            current = store.lock_instances(transaction, [instance_id])[instance_id]
            spec = spec_from_json(row["spec"])
            _refuse_lost_parents(transaction, spec)
            change = Change(Kind.CHANGED, instance_id, current.version + 1, spec, row["image"],
                            tuple(json.loads(row["command"])))  # fmt: skip
            store.write_changes(transaction, [change], actor.name, ROLLED_BACK)
            store.record(transaction, actor.name, "instance.rollback", instance_id,
                         to=version, version=change.version)  # fmt: skip
        self.on_change()
        return change.version


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the keys in which two contents differ, with both values."""
    return [
        {"key": key, "old": old.get(key), "new": new.get(key)}
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _content(row: Row) -> dict[str, Any]:
    content = dict(flat(spec_from_json(row["spec"])))
    return {**content, "image": row["image"], "command": json.loads(row["command"])}


def _version(transaction: Transaction, instance_id: str, version: int) -> Row:
    row = transaction.one("find_version", instance_id=instance_id, version=version)
    if row is None:
        raise NoSuchVersionError(f"{instance_id!r} has no version {version}")
    return row


def _refuse_lost_parents(transaction: Transaction, spec: InstanceSpec) -> None:
    there = {name: each.spec for name, each in store.all_instances(transaction).items()}
    for edge in spec.depends_on:
        if edge.instance not in there:
            raise ConflictError(f"it waits for {edge.instance}, which is not there any more")
    cycle = find_cycle({**there, spec.id: spec}.values())
    if cycle:
        raise ConflictError(f"these would wait for each other: {' → '.join(cycle)}")
