"""A clock disciplined by the database, so that all replicas agree on what is due.

now = the machine's monotonic clock + the offset to the database's clock found at the last `sync`.
A step of the machine's wall clock therefore changes nothing; it is noticed all the same, since
whoever steps clocks may have stepped the database's too (guarantees.md, 3): until the next `sync`
the clock is not trusted. A step of the database's clock is believed only when it says so twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import Clock
from common.db import Database
from common.logs import logger

JUMP_S = 1.0
TRUSTED_FOR_S = 60.0
GOOD_ANSWER_S = 0.005
MOST_QUESTIONS = 4

_log = logger("db.clock")


def database_now(database: Database) -> datetime:
    """Return the database's present instant; raises `DatabaseUnavailableError`."""
    with database.transaction() as transaction:
        row = transaction.one("database_now")
    if row is None:
        raise AssertionError("SELECT of an expression returns a row")
    now: datetime = row["now"]
    return now


@dataclass(frozen=True)
class _Answer:
    """What the database said, and when by our monotonic clock it had said so."""

    now: datetime
    at: float
    took_s: float

    def elapsed_to(self, at: float) -> datetime:
        return self.now + timedelta(seconds=at - self.at)


class DisciplinedClock:
    """A `Clock` that follows the database's. Call `sync` every few seconds, from one thread.

    Before the first `sync` it is the machine's own clock and not trusted. It is never ahead of the
    database's: an answer counts from when it arrived, so the clock is behind by its way at most.
    """

    def __init__(self, clock: Clock, read_database: Callable[[], datetime]) -> None:
        self._clock = clock
        self._read_database = read_database
        self._base = _Answer(clock.now(), clock.monotonic(), 0.0)
        self._wall = (self._base.now, self._base.at)
        self._synced_at: float | None = None
        self._doubted = False

    def now(self) -> datetime:
        return self._base.elapsed_to(self._clock.monotonic())

    def monotonic(self) -> float:
        return self._clock.monotonic()

    @property
    def offset_s(self) -> float:
        """How far this clock is ahead of the machine's own wall clock."""
        return (self.now() - self._clock.now()).total_seconds()

    def is_trusted(self) -> bool:
        """Tell whether firing is safe: synced lately, and the wall clock has not jumped since."""
        self._notice_jump()
        synced_at = self._synced_at
        return synced_at is not None and self._clock.monotonic() - synced_at < TRUSTED_FOR_S

    def sync(self) -> None:
        """Ask the database; raises `DatabaseUnavailableError`."""
        answer = self._ask()
        jump_s = (answer.now - self._base.elapsed_to(answer.at)).total_seconds()
        has_jumped = self._synced_at is not None and abs(jump_s) > JUMP_S
        self._base = answer
        self._wall = (self._clock.now(), self._clock.monotonic())
        if has_jumped and not self._doubted:
            _log.warning("database_clock_jumped", jump_s=round(jump_s, 3))
            self._doubted = True
            self._synced_at = None
            return
        self._doubted = False
        self._synced_at = answer.at

    def _ask(self) -> _Answer:
        """Return the quickest of a few answers: the first may have waited for a connection."""
        best: _Answer | None = None
        for _ in range(MOST_QUESTIONS):
            asked = self._clock.monotonic()
            said = self._read_database()
            answered = self._clock.monotonic()
            answer = _Answer(said, answered, answered - asked)
            best = answer if best is None or answer.took_s < best.took_s else best
            if best.took_s <= GOOD_ANSWER_S:
                break
        if best is None:
            raise AssertionError("at least one question is asked")
        return best

    def _notice_jump(self) -> None:
        wall, at = self._wall
        elapsed_s = self._clock.monotonic() - at
        jump_s = (self._clock.now() - wall).total_seconds() - elapsed_s
        if abs(jump_s) > JUMP_S:
            _log.warning("wall_clock_jumped", jump_s=round(jump_s, 3))
            self._synced_at = None
            self._wall = (self._clock.now(), self._clock.monotonic())
