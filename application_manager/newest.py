"""The newest jobs of a long ledger, by narrow looks: one index entry read for each row shown.

A list of several states, or of the few instances that a word is found in, is cut into lists that
an index gives in order (by_state_due, job_key, by_node_due); their beginnings are merged. Else the
server sorts whatever matches, or walks the whole ledger for a state that is rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from common.db import Row, Transaction
from common.jobs import JobState

FEW = 16
"""Instances that are looked at one by one; where a word is in more of them, it is soon met."""


@dataclass(frozen=True)
class Narrow:
    """Which jobs, and after which (due, job_id) a page begins; None and () mean any."""

    states: Sequence[JobState] = ()
    instance: str | None = None
    word: str | None = None
    node: str | None = None
    after: tuple[datetime, str] | None = None
    limit: int = 100


def newest_jobs(transaction: Transaction, wanted: Narrow, **more: Any) -> list[Row]:
    """Return one page, newest due first; `more` are filters of the screens' lists."""
    due, job_id = wanted.after or (None, None)
    place = {"due": due, "job_id": job_id, "limit": wanted.limit}
    found: list[Row] = []
    for state, names in product(wanted.states or (None,), _names(transaction, wanted)):
        if state is not None and not any(names.values()):
            found += transaction.all("newest_ids_in_state", state=state, **place, **more)
        else:
            found += transaction.all("newest_ids", state=state, **names, **place, **more)
    found.sort(key=_place, reverse=True)
    ids = [row["job_id"] for row in found[: wanted.limit]]
    rows = transaction.all("jobs_by_id", jobs=ids) if ids else []
    return sorted(rows, key=_place, reverse=True)


def pattern_of(word: str) -> str | None:
    """Return what LIKE takes to find a word anywhere; None for no word."""
    escaped = word.replace("\\", "").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%" if escaped else None


def _place(row: Row) -> tuple[datetime, str]:
    return row["due"], row["job_id"]


def _names(transaction: Transaction, wanted: Narrow) -> list[dict[str, str | None]]:
    pattern = pattern_of(wanted.word or "")
    base = {"instance": wanted.instance, "node": wanted.node, "pattern": pattern}
    if pattern is None or wanted.instance is not None:
        return [base]
    found = transaction.all("instances_like", pattern=pattern, limit=FEW + 1)
    if len(found) > FEW:
        return [base]
    return [{**base, "instance": row["instance_id"], "pattern": None} for row in found]
