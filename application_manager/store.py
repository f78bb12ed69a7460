"""Instances, their versions and the outbox, in `rota_app`. All SQL is in queries.sql."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from application_manager.domain.pinning import Held
from application_manager.domain.plan import Application, Change, Kind, Stored
from common.db import Row, Transaction
from common.image import full_name
from common.schedule import spec_from_json, spec_to_json


def stored_from(row: Row) -> Stored:
    """Read a row of `instances`."""
    return Stored(
        instance_id=row["instance_id"],
        version=row["version"],
        spec=spec_from_json(row["spec"]),
        image=row["image"],
        command=tuple(json.loads(row["command"])),
        paused=bool(row["paused"]),
        deleted=bool(row["deleted"]),
    )


def known_instances(transaction: Transaction) -> set[str]:
    """Return the ids of all instances that are there."""
    return {row["instance_id"] for row in transaction.all("instance_ids")}


def stored_instances(transaction: Transaction, ids: Collection[str]) -> dict[str, Stored]:
    """Return some instances, deleted ones too."""
    rows = transaction.all("instances_by_id", instances=list(ids))
    return {row["instance_id"]: stored_from(row) for row in rows}


def lock_instances(transaction: Transaction, ids: Collection[str]) -> dict[str, Stored]:
    """Return some instances, locked in the order of their ids until the transaction ends."""
    rows = transaction.all("lock_instances", instances=sorted(ids))
    return {row["instance_id"]: stored_from(row) for row in rows}


def all_instances(transaction: Transaction) -> dict[str, Stored]:
    """Return every instance that is there."""
    return {row["instance_id"]: stored_from(row) for row in transaction.all("all_specs")}


def applications(transaction: Transaction) -> dict[str, Application]:
    """Return the application repository."""
    return {
        row["name"]: Application(row["name"], row["image"], tuple(json.loads(row["command"])))
        for row in transaction.all("all_applications")
    }


def held_images(transaction: Transaction, images: Collection[str]) -> dict[str, list[Held]]:
    """Return what the fleet's machines hold under some images' names (the node manager's table)."""
    names = sorted({full_name(image) for image in images})
    held: dict[str, list[Held]] = {}
    for row in transaction.all("held_images", names=names) if names else ():
        one = Held(row["node_id"], row["image_id"], row["digest"])
        held.setdefault(row["name"], []).append(one)
    return held


def write_changes(
    transaction: Transaction, changes: Sequence[Change], actor: str, kind: str | None = None
) -> None:
    """Store changes with their versions, and put their ids into the outbox.

    `kind` is what the history says; by default what the change is.
    """
    rows = [{**_row(change), "actor": actor, "kind": kind or change.kind} for change in changes]
    transaction.execute_many("put_instances", rows)
    transaction.execute_many("add_versions", rows)
    announce(transaction, [change.instance_id for change in changes])


def announce(transaction: Transaction, ids: Iterable[str]) -> None:
    """Put ids into the outbox; they are published after the commit."""
    transaction.execute_many("add_outbox", [{"instance_id": each} for each in ids])


def record(
    transaction: Transaction, actor: str, action: str, target: str, **detail: Any
) -> None:
    """Add to the audit."""
    transaction.execute(
        "add_audit", actor=actor, action=action, target=target[:128],
        detail=json.dumps(detail, sort_keys=True) if detail else None,
    )  # fmt: skip


def _row(change: Change) -> dict[str, Any]:
    return {
        "instance_id": change.instance_id,
        "version": change.version,
        "spec": spec_to_json(change.spec),
        "image": change.image,
        "command": json.dumps(change.command),
        "deleted": change.kind is Kind.REMOVED,
    }
