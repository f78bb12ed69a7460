"""Whether the ledger has what the schedule says: every due time once, nothing else. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.domain.schedule import DELETED, Schedule

LOOK_BACK = timedelta(hours=24)
MOST_DUES = 5_000
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class LedgerRow:
    """One row of the ledger, or one stretch of `count` due times and ordinals up to `until`."""

    due: datetime
    ordinal: int
    count: int = 1
    until: datetime | None = None
    version: int | None = None


@dataclass(frozen=True)
class Span:
    """The due times to look at: after < t < before."""

    after: datetime
    before: datetime


def span_of(schedule: Schedule, now: datetime) -> Span | None:
    """Return what of a schedule must be in the ledger by now: since its last edit, up to its next.

    None where nothing must. A day back at most: what was right yesterday does not change.
    """
    if schedule.calendar is None or schedule.state == DELETED:
        return None
    before = min(schedule.next_due or now, now)
    after = max(schedule.applied_at, before - LOOK_BACK)
    return Span(after, before) if after < before else None


def imbalance_of(schedule: Schedule, span: Span, rows: Sequence[LedgerRow]) -> int:
    """Count due times and ordinals without a row, and rows without a due time.

    A row that an older version left after its end was skipped by a person ahead of its time; an
    edit may have done away with its due time since.
    """
    if schedule.calendar is None:
        return 0
    dues = schedule.calendar.due_between(span.after, span.before - _INSTANT, MOST_DUES)
    if len(dues) == MOST_DUES:
        span = Span(span.after, dues[-1] + _INSTANT)
    expected = {(due, ordinal) for due in dues for ordinal in range(schedule.spec.instances)}
    seen: set[tuple[datetime, int]] = set()
    extra = 0
    for row in rows:
        if row.due >= span.before:
            continue
        covered = _covered(row, expected)
        is_whole = row.due > span.after and (row.until or row.due) < span.before
        if row.version not in (None, schedule.version) and not covered:
            continue
        extra += abs(row.count - len(covered)) if is_whole else 0
        extra += len(covered & seen)
        seen |= covered
    return len(expected - seen) + extra


def _covered(
    row: LedgerRow, expected: set[tuple[datetime, int]]
) -> set[tuple[datetime, int]]:
    """Return what of the expected a row stands for; a row for nothing stands for nothing."""
    if row.until is None:
        return {(row.due, row.ordinal)} & expected
    return {key for key in expected if row.due <= key[0] <= row.until}
