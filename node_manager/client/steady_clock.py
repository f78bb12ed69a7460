"""A machine's clock that does not follow a jump of the wall clock until that proves right.

Stop times and due times are kept by the machine's own clock. When somebody sets that by an hour,
no container may be ended or started an hour early: the time goes on as the monotonic clock counts
it, until heartbeats with the new time have reached the platform for a while and the node manager,
which compares them with the brokers' clock, has no complaint.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from common.clock import Clock
from common.logs import logger

JUMP = timedelta(seconds=1)
PROVED_AFTER_S = 20.0
"""Four heartbeats: the node manager complains of a clock that is behind after three."""

_log = logger("client.clock")


class SteadyClock:
    """A `Clock` over another one. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._anchor = (clock.now(), clock.monotonic())
        self._jumped_at: float | None = None
        self._has_complaint: Callable[[], bool] = lambda: False
        self._heard_for_s: Callable[[], float] = lambda: 0.0

    def believe(
        self, has_complaint: Callable[[], bool], heard_for_s: Callable[[], float]
    ) -> None:
        """Say how to know of the node manager's complaint, and for how long it has heard us."""
        self._has_complaint = has_complaint
        self._heard_for_s = heard_for_s

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def now(self) -> datetime:
        wall, monotonic = self._clock.now(), self._clock.monotonic()
        with self._lock:
            steady = self._anchor[0] + timedelta(seconds=monotonic - self._anchor[1])
            if abs(wall - steady) > JUMP and not self._is_proved(monotonic, wall - steady):
                return steady
            self._anchor = (wall, monotonic)
            self._jumped_at = None
            return wall

    def error(self) -> str | None:
        """Say that the machine's clock jumped, as long as it is not followed."""
        self.now()
        return None if self._jumped_at is None else "the clock of this machine jumped: not followed"

    def _is_proved(self, monotonic: float, jump: timedelta) -> bool:
        if self._jumped_at is None:
            self._jumped_at = monotonic
            _log.warning("clock_jumped", by_s=jump.total_seconds())
        age_s = monotonic - self._jumped_at
        is_heard = min(age_s, self._heard_for_s()) >= PROVED_AFTER_S
        return is_heard and not self._has_complaint()
