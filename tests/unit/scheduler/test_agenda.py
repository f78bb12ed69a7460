"""The heap: time, then kills before starts, then priority, then id; the last word of a key holds."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.domain.agenda import Act, Agenda, Entry
from tests.unit.scheduler.build import NOON, at

entries = st.builds(
    Entry,
    at=st.integers(0, 5_000_000).map(lambda us: NOON + timedelta(microseconds=us)),
    act=st.sampled_from(Act),
    key=st.sampled_from([f"i{n}" for n in range(20)]),
    priority=st.integers(1, 100),
)


def put(agenda: Agenda, entry: Entry) -> None:
    agenda.put(entry.at, entry.act, entry.key, entry.priority)


def order(entry: Entry) -> tuple[datetime, int, int, str]:
    return entry.at, entry.act, -entry.priority, entry.key


@settings(deadline=None)
@given(st.lists(entries, max_size=60))
def test_entries_come_in_order_and_the_last_put_of_a_key_holds(given_entries):
    agenda = Agenda()
    for entry in given_entries:
        put(agenda, entry)
    last = {(entry.act, entry.key): entry for entry in given_entries}
    assert len(agenda) == len(last)
    assert agenda.take_due(at(10), 100) == sorted(last.values(), key=order)
    assert len(agenda) == 0
    assert agenda.next_at() is None


@settings(deadline=None)
@given(st.lists(entries, max_size=60), st.integers(0, 5_000_000), st.integers(0, 30))
def test_only_what_is_due_is_taken_and_only_so_much(given_entries, us, limit):
    agenda = Agenda()
    for entry in given_entries:
        put(agenda, entry)
    now = NOON + timedelta(microseconds=us)
    taken = agenda.take_due(now, limit)
    assert len(taken) <= limit
    assert all(entry.at <= now for entry in taken)
    rest = agenda.next_at()
    assert rest is None or rest > now or len(taken) == limit


def test_a_kill_comes_before_a_start_of_the_same_instant():
    """10:00 end of A, 10:00 start of B on one node: A is killed first."""
    agenda = Agenda()
    agenda.put(NOON, Act.START, "b", 100)
    agenda.put(NOON, Act.KILL, "a.1", 1)
    assert [entry.act for entry in agenda.take_due(NOON, 9)] == [Act.KILL, Act.START]


def test_what_was_dropped_or_moved_does_not_come():
    agenda = Agenda()
    for name in ("a", "b", "c"):
        agenda.put(at(1), Act.START, name)
    agenda.drop(Act.START, "a")
    agenda.drop(Act.START, "nobody")
    agenda.put(at(5), Act.START, "b")
    assert [entry.key for entry in agenda.take_due(at(1), 9)] == ["c"]
    assert agenda.next_at() == at(5)
    agenda.clear()
    assert len(agenda) == 0
    assert agenda.next_at() is None
