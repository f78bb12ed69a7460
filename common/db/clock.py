"""A clock disciplined by the database, so that all replicas agree on what is due.

now = the machine's monotonic clock + the offset to the database's clock found at the last `sync`.
A step of the machine's wall clock therefore changes nothing; it is noticed all the same, since
whoever steps clocks may have stepped the database's too (guarantees.md, 3).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from common.clock import Clock
from common.db import Database
from common.logs import logger

JUMP_S = 1.0
TRUSTED_FOR_S = 60.0

_log = logger("db.clock")


def database_now(database: Database) -> datetime:
    """Return the database's present instant; raises `DatabaseUnavailableError`."""
    with database.transaction() as transaction:
        row = transaction.one("database_now")
    if row is None:
        raise AssertionError("SELECT of an expression returns a row")
    now: datetime = row["now"]
    return now


class DisciplinedClock:
    """A `Clock` that follows the database's. Call `sync` every few seconds, from one thread.

    Before the first `sync` it is the machine's own clock and not trusted.
    """

    def __init__(self, clock: Clock, read_database: Callable[[], datetime]) -> None:
        self._clock = clock
        self._read_database = read_database
        self._base = (clock.now(), clock.monotonic())
        self._wall = self._base
        self._synced_at: float | None = None

    def now(self) -> datetime:
        base, at = self._base
        return base + timedelta(seconds=self._clock.monotonic() - at)

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
        asked = self._clock.monotonic()
        answer = self._read_database()
        answered = self._clock.monotonic()
        # the database read its clock somewhere between: the middle is wrong by half at most
        self._base = (answer, (asked + answered) / 2)
        self._wall = (self._clock.now(), answered)
        self._synced_at = answered

    def _notice_jump(self) -> None:
        wall, at = self._wall
        elapsed_s = self._clock.monotonic() - at
        jump_s = (self._clock.now() - wall).total_seconds() - elapsed_s
        if abs(jump_s) > JUMP_S:
            _log.warning("wall_clock_jumped", jump_s=round(jump_s, 3))
            self._synced_at = None
            self._wall = (self._clock.now(), self._clock.monotonic())
