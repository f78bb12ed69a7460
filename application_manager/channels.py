"""The channels that notices go by: listing, adding, removing and testing them.

What goes by them, and when it is tried again, is the notifier's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from application_manager import store
from application_manager.domain.access import Actor
from application_manager.domain.channels import (
    TEST,
    Channel,
    by_channel,
    channels_in,
    described,
    named,
    of_files,
    shown_address,
)
from application_manager.registry import NotRegisteredError
from application_manager.schedules import NoSuchInstanceError
from common.clock import Clock
from common.db import Database, Row, Transaction
from common.schedule import Notify, spec_from_json

Json = dict[str, Any]
LOOKED_AT = 2000
"""So many of the newest notices are looked at for what became of each channel's last one."""


@dataclass(frozen=True)
class Channels:
    """Looks after whom to tell; every change is in the audit. Safe to share between threads."""

    database: Database
    clock: Clock

    def told(self, before: int, limit: int) -> list[Json]:
        """Return what people were told before a notice, newest first."""
        with self.database.transaction() as transaction:
            rows = transaction.all("list_notices", before=before, limit=limit)
        return [{**row, "url": shown_address(row["url"])} for row in rows]

    def all(self) -> list[Json]:
        """Return every channel: the platform's by name, then those of schedule files."""
        with self.database.transaction() as transaction:
            own = transaction.all("all_channels")
            wishes = _wishes(transaction.all("specs_with_notify"))
            recent = by_channel(transaction.all("list_notices", before=2**62, limit=LOOKED_AT))

        def told(channel: Channel, **more: Any) -> Json:
            return {**described(channel, recent.get((channel.source, channel.url), ())), **more}

        return [
            *(told(channel_of(row), instances=[], instance_count=None,
                   created_by=row["created_by"], created_at=row["created_at"]) for row in own),
            *(told(channel, instances=named(instances), instance_count=len(instances),
                   created_by=None, created_at=None)
              for channel, instances in of_files(wishes).items()),
        ]  # fmt: skip

    def add(self, channel: Channel, actor: Actor) -> None:
        """Tell an address of every instance from now on; `DuplicateKeyError` for a taken name."""
        with self.database.transaction() as transaction:
            transaction.execute("add_channel", name=channel.source, url=channel.url,
                                kinds=json.dumps(channel.on), actor=actor.name)  # fmt: skip
            store.record(transaction, actor.name, "channel.add", channel.source,
                         to=shown_address(channel.url), on=" ".join(channel.on))  # fmt: skip

    def remove(self, name: str, actor: Actor) -> None:
        """Tell it nothing more, what waits for it neither; raises `NotRegisteredError`."""
        with self.database.transaction() as transaction:
            if not transaction.execute("delete_channel", name=name):
                raise NotRegisteredError(f"there is no channel {name!r}")
            transaction.execute("give_up_notices", source=name, error="its channel was removed")
            store.record(transaction, actor.name, "channel.delete", name)

    def test(self, name: str | None, instance: str | None, actor: Actor) -> int:
        """Write a test notice for a channel, or for each of an instance's own; return its event id.

        It goes the way of all notices, but is tried once. The id is below 0: no job's event.
        """
        event_id = -1 - secrets.randbelow(2**52)
        with self.database.transaction() as transaction:
            found = _of_name(transaction, name) if name else _of_instance(transaction, instance)
            body = json.dumps(self._body(event_id, instance, actor))
            transaction.execute_many("add_notices", [
                {"event_id": event_id, "job_id": "", "kind": TEST, "channel": each.way,
                 "source": each.source, "url": each.url, "body": body} for each in found
            ])  # fmt: skip
            store.record(transaction, actor.name, "notice.test", name or instance or "")
        return event_id

    def _body(self, event_id: int, instance: str | None, actor: Actor) -> Json:
        return {
            "event": TEST, "job_id": f"test{event_id}", "instance": instance or TEST, "due": None,
            "state": "TEST", "reason": None, "detail": f"a test that {actor.name} asked for",
            "node": None, "attempt": 1, "exit_code": None, "lateness_ms": None,
            "at": self.clock.now().astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }  # fmt: skip


def channel_of(row: Row) -> Channel:
    """Read a row of `channels`."""
    return Channel(row["url"], tuple(json.loads(row["kinds"])), row["name"])


def _wishes(rows: Sequence[Row]) -> dict[str, Notify]:
    found = {row["instance_id"]: spec_from_json(row["spec"]).notify for row in rows}
    return {instance: wish for instance, wish in found.items() if wish is not None}


def _of_name(transaction: Transaction, name: str) -> list[Channel]:
    for row in transaction.all("all_channels"):
        if row["name"] == name:
            return [channel_of(row)]
    raise NotRegisteredError(f"there is no channel {name!r}")


def _of_instance(transaction: Transaction, instance: str | None) -> list[Channel]:
    rows = transaction.all("instances_by_id", instances=[instance])
    if not rows or rows[0]["deleted"]:
        raise NoSuchInstanceError(f"there is no instance {instance!r}")
    wish = spec_from_json(rows[0]["spec"]).notify
    if wish is None:
        raise NotRegisteredError(f"{instance!r} has no `notify` in its schedule file")
    return channels_in(wish)
