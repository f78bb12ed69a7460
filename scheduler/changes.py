"""What people did to instances meanwhile: asked before anything is decided that may be old.

A schedule's state is what we took last. Of due times that nobody looked after, and of those of a
paused instance, the application manager's history says how it was at each of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from common.db import Row, Transaction
from scheduler.domain.pauses import Pauses, pauses_of
from scheduler.domain.schedule import PAUSED


@dataclass(frozen=True)
class Told:
    """An instance as the application manager has it now, and its pauses since some moment."""

    version: int
    applied_at: datetime
    is_deleted: bool
    pauses: Pauses

    def is_newer_than(self, schedule: Row) -> bool:
        """Tell whether it was edited or deleted since a schedule's row was written."""
        known = schedule["version"], schedule["applied_at"]
        return self.is_deleted or (self.version, self.applied_at) != known

    def is_as(self, schedule: Row) -> bool:
        """Tell whether it has been, all the time, what a schedule's row says: paused or not."""
        return self.pauses == Pauses(schedule["state"] == PAUSED)


def told_of(
    transaction: Transaction, instances: Collection[str], since: datetime
) -> Mapping[str, Told]:
    """Ask how some instances are, and when they were paused and resumed from a moment on."""
    if not instances:
        return {}
    rows = transaction.all("app_pauses", instances=sorted(instances), since=since)
    return {
        name: _told(list(of)) for name, of in groupby(rows, lambda row: str(row["instance_id"]))
    }


def _told(rows: list[Row]) -> Told:
    row = rows[0]
    changes = [
        (one["changed_at"], bool(one["is_paused"])) for one in rows if one["changed_at"] is not None
    ]
    return Told(
        row["version"], row["applied_at"], bool(row["deleted"]),
        pauses_of(changes, is_paused=bool(row["paused"])),
    )  # fmt: skip
