"""Transactions that rivals may break off: tried again, a few times, from the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from common.db import Database, DeadlockError, DuplicateKeyError, Transaction

Result = TypeVar("Result")
TRIES = 4


def in_transaction(database: Database, work: Callable[[Transaction], Result]) -> Result:
    """Run `work` in a transaction; after a deadlock or a lost race for a key run it again."""
    for _ in range(TRIES - 1):
        try:
            with database.transaction() as transaction:
                return work(transaction)
        except (DeadlockError, DuplicateKeyError):  # a rival was faster: look again
            continue
    with database.transaction() as transaction:
        return work(transaction)
