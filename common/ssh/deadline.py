"""When a call over SSH must be over, however many waits it consists of."""

from __future__ import annotations

import time


class Deadline:
    """A moment on the monotonic clock."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._at = time.monotonic() + timeout_s

    def left_s(self) -> float:
        return max(0.0, self._at - time.monotonic())

    def has_passed(self) -> bool:
        return self.left_s() <= 0
