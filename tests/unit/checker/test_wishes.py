"""What people asked for, judged: good histories pass, each kind of bad one is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.checker.check import check
from tests.checker.history import Asked, Due, History, Move, Paused, Row
from tests.unit.checker.test_checker import NOON, good_history, job_of, seconds

Spoil = Callable[[History], History]


def wished_history(seed: int = 0) -> History:
    """Build a good history in which people killed, ran, skipped, retried, paused and deleted."""
    base = good_history(seed)
    at = NOON + seconds(300)
    rows = [
        Row("hand.0", "hand", at, 0, "CANCELLED", "user", is_manual=True),
        Row("next.0", "next", at, 0, "SKIPPED", "user"),
        Row("again.0", "again", at, 0, "MISSED", "start_deadline", attempt=2),
        Row("rest.0", "rest", at, 0, "SKIPPED", "paused"),
        Row("gone.0", "gone", at, 0, "CANCELLED", "user"),
    ]
    cancelled = job_of(base, "cancelled").job_id
    moves = [
        Move("hand.0", None, "QUEUED"), Move("hand.0", "QUEUED", "CANCELLED"),
        Move("next.0", None, "SKIPPED"), Move("rest.0", None, "SKIPPED"),
        Move("again.0", None, "MISSED"), Move("again.0", "MISSED", "QUEUED"),
        Move("again.0", "QUEUED", "MISSED"),
        Move("gone.0", None, "QUEUED"), Move("gone.0", "QUEUED", "CANCELLED"),
    ]  # fmt: skip
    asked = (
        Asked("k1", "run", "hand", "done", at, ("hand.0",)),
        Asked("k2", "kill", "hand", "done", None, ("hand.0",)),
        Asked("k3", "skip", "next", "done", at),
        Asked("k4", "retry", "again", "done", None, ("again.0",)),
        Asked("k5", "kill", "cancelled", "done", None, (cancelled,)),
        Asked("k6", "retry", "missed", "refused", None, (job_of(base, "missed").job_id,)),
    )
    return replace(
        base, rows=(*base.rows, *rows), moves=(*base.moves, *moves),
        dues=(*base.dues, *(Due(row.instance, row.due) for row in rows)),
        asked=asked, acked_asks=frozenset({"k1", "k3"}), deleted=frozenset({"gone"}),
        paused=(Paused("rest", at - seconds(60), at + seconds(60)),),
    )  # fmt: skip


def with_row(job_id: str, **change: object) -> Spoil:
    return lambda h: replace(
        h, rows=tuple(replace(r, **change) if r.job_id == job_id else r for r in h.rows)
    )  # type: ignore[arg-type]


def with_asked(key: str, **change: object) -> Spoil:
    return lambda h: replace(
        h, asked=tuple(replace(a, **change) if a.key == key else a for a in h.asked or ())
    )  # type: ignore[arg-type]


def without(key: str) -> Spoil:
    return lambda h: replace(h, asked=tuple(a for a in h.asked or () if a.key != key))


def unmoved(h: History) -> History:
    """The retry was granted, and no new attempt was made."""
    kept = [m for m in h.moves if m.job_id != "again.0"]
    return replace(h, moves=(*kept, Move("again.0", None, "MISSED")))


def moved_twice(h: History) -> History:
    again = Move("again.0", "MISSED", "QUEUED"), Move("again.0", "QUEUED", "MISSED")
    return replace(h, moves=(*h.moves, *again))


def paused_and_ran(h: History) -> History:
    """An instance that ran was paused since long before."""
    since, until = NOON - seconds(600), NOON + seconds(600)
    return replace(h, paused=(*h.paused, Paused("a", since, until)))


BAD: dict[str, tuple[str, Spoil]] = {
    "request never answered": ("P12", with_asked("k6", outcome=None)),
    "request of no known kind": ("P12", with_asked("k6", kind="dance")),
    "acknowledged request lost": ("P10", without("k1")),
    "run granted, no row": (
        "P12", lambda h: replace(h, rows=tuple(r for r in h.rows if r.job_id != "hand.0"))),
    "run granted for the schedule's own job": ("P12", with_row("hand.0", is_manual=False)),
    "run that nobody asked for": ("P12", with_row("next.0", is_manual=True)),
    "kill granted, job lives on": ("P12", with_row("hand.0", state="QUEUED", reason=None)),
    "cancelled, nobody asked": ("P12", without("k5")),
    "cancelled, not deleted either": ("P12", lambda h: replace(h, deleted=frozenset())),
    "skip granted, no row": ("P12", with_asked("k3", due=NOON)),
    "skip granted, ran all the same": ("P12", with_row("next.0", state="QUEUED", reason=None)),
    "skipped, nobody asked": ("P12", without("k3")),
    "retry granted, none made": ("P12", unmoved),
    "retried more often than granted": ("P12", moved_twice),
    "revived without a retry": ("P9", without("k4")),
    "paused, and was not": ("P13", lambda h: replace(h, paused=())),
    "paused, and only later": (
        "P13", lambda h: replace(h, paused=(Paused("rest", NOON + seconds(301), h.observed_until),)),
    ),
    "paused, and it ran": ("P13", paused_and_ran),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_wish_not_heeded_is_told(name: str) -> None:
    promise, spoil = BAD[name]
    assert promise in {violation.promise for violation in check(spoil(wished_history()))}


def test_wishes_that_were_heeded_are_accepted() -> None:
    for seed in range(100):
        assert check(wished_history(seed)) == []


def test_a_pause_may_be_noticed_a_little_later() -> None:
    late = replace(paused_and_ran(wished_history()), calm_from=NOON + seconds(600))
    assert "P13" not in {violation.promise for violation in check(late)}


def test_nothing_is_said_of_wishes_that_nobody_looked_at() -> None:
    unseen = replace(good_history(), asked=None)
    assert check(unseen) == []
