"""How replicas share the shards, and how the ledger is held against the schedule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.jobs import SHARDS
from scheduler.domain.audit import LedgerRow, imbalance_of, span_of
from scheduler.domain.fire import fire
from scheduler.domain.lease import ShardRow, share_out
from tests.unit.scheduler.build import NOON, at, every, schedule_of


def settle(names: list[str], owners: dict[int, str]) -> dict[int, str]:
    """Let every replica act in turn, three times over, as leases do."""
    for _ in range(3):
        for name in names:
            rows = [ShardRow(s, owners[s], owners[s] not in names) for s in range(SHARDS)]
            share = share_out(rows, name, len(names))
            owners |= dict.fromkeys(share.give_up, "") | dict.fromkeys(share.take, name)
    return owners


@settings(deadline=None)
@given(
    st.integers(1, 20),
    st.lists(st.sampled_from(["r0", "r1", "r5", "dead", ""]), min_size=16, max_size=16),
)
def test_whoever_comes_and_goes_all_shards_are_held_and_shared(count, before):
    names = [f"r{n}" for n in range(count)]
    owners = settle(names, dict(enumerate(before)))
    held = [sum(owner == name for owner in owners.values()) for name in names]
    assert sum(held) == SHARDS
    assert max(held) <= -(-SHARDS // count)


def test_one_replica_takes_nothing_from_a_living_one():
    rows = [ShardRow(s, "other", is_free=False) for s in range(SHARDS)]
    assert share_out(rows, "me", 2).take == frozenset()


def test_what_was_ours_is_kept_even_after_it_ran_out():
    rows = [ShardRow(s, "me", is_free=True) for s in range(SHARDS)]
    assert share_out(rows, "me", 1).keep == frozenset(range(SHARDS))


SCHEDULE = schedule_of("overlap: allow, instances: 2, " + every(10), next_due=at(100))
SPAN = span_of(SCHEDULE, at(99))
FULL = [LedgerRow(at(10 * n), ordinal) for n in range(1, 10) for ordinal in (0, 1)]


def test_a_full_ledger_is_in_balance():
    assert imbalance_of(SCHEDULE, SPAN, FULL) == 0


@pytest.mark.parametrize(("rows", "imbalance"), [
    (FULL[1:], 1),
    ([*FULL, FULL[0]], 1),
    ([*FULL, LedgerRow(at(15), 0)], 1),
    ([*FULL, LedgerRow(at(10), 7)], 1),
    ([*FULL[:4], LedgerRow(at(30), 0, 14, at(90))], 0),
    ([*FULL[:4], LedgerRow(at(30), 0, 13, at(90))], 1),
    ([LedgerRow(at(-50), 0, 22, at(50)), *FULL[10:]], 0),
    ([], 18),
])  # fmt: skip
def test_what_is_missing_doubled_or_unasked_is_counted(rows, imbalance):
    assert imbalance_of(SCHEDULE, SPAN, rows) == imbalance


def test_what_was_skipped_ahead_of_an_edit_is_not_unasked():
    old, new = (LedgerRow(at(15), 0, version=number) for number in (0, SCHEDULE.version))
    assert imbalance_of(SCHEDULE, SPAN, [*FULL, old]) == 0
    assert imbalance_of(SCHEDULE, SPAN, [*FULL, new]) == 1


def test_only_what_must_be_there_is_asked_for():
    assert span_of(replace(SCHEDULE, state="deleted"), at(99)) is None
    assert span_of(schedule_of("depends_on: [p]"), at(99)) is None
    assert span_of(schedule_of(every(10)), NOON) is None
    late = span_of(replace(SCHEDULE, next_due=NOON + timedelta(days=9)), NOON + timedelta(days=8))
    assert late is not None
    assert late.before - late.after == timedelta(hours=24)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 3000), st.sampled_from(["skip", "latest", "all"]))
def test_whatever_firing_writes_is_in_balance(step, now, misfire):
    schedule = schedule_of(f"overlap: allow, misfire: {misfire}, " + every(step))
    firing = fire(schedule, (), at(now), at(now))
    after = replace(schedule, next_due=firing.next_due)
    span = span_of(after, at(now + 1))
    rows = [LedgerRow(job.due, job.ordinal, job.count, job.until) for job in firing.jobs]
    assert span is None or imbalance_of(after, span, rows) == 0
