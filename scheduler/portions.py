"""What the application manager has and we have not, portion by portion in the order of the ids.

The next portion is read, and its schedules compiled, while this one is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

from common.db import Database, Row
from scheduler.store import Definitions

PORTION = 1000


@dataclass(frozen=True)
class Portion:
    """The next instances by id: those that we lack or have otherwise, and the last one's id."""

    behind: Sequence[Row]
    last_id: str
    newest: datetime


@dataclass(frozen=True)
class Portions:
    """Reads them; `executor` is what reads ahead."""

    database: Database
    definitions: Definitions
    executor: Executor

    def __iter__(self) -> Iterator[Portion]:
        coming = self.executor.submit(self._read, "")
        while (portion := coming.result()) is not None:
            coming = self.executor.submit(self._read, portion.last_id)
            yield portion

    def _read(self, after: str) -> Portion | None:
        with self.database.transaction() as transaction:
            found = transaction.one("app_portion", after=after, limit=PORTION)
            if found is None or not found["instances"]:
                return None
            last = found["instance_id"]
            rows = transaction.all("app_behind", after=after, last=last)
        for row in rows:
            _ = self.definitions.of(row).calendar  # whoever writes finds them ready
        return Portion(rows, last, found["updated_at"])
