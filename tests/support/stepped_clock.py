"""Runs the scheduler on a machine whose wall clock can be stepped: ``python -m tests.support.stepped_clock``.

The file that ROTA_TEST_CLOCK_FILE names holds the seconds that the wall clock is wrong by. The
monotonic clock goes on, as it does where somebody sets a machine's time.
"""

from __future__ import annotations

import os
import runpy
from datetime import datetime, timedelta
from pathlib import Path

from common.clock import SystemClock

_FILE = Path(os.environ["ROTA_TEST_CLOCK_FILE"])
_right = SystemClock.now


def _now(clock: SystemClock) -> datetime:
    return _right(clock) + timedelta(seconds=float(_FILE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    SystemClock.now = _now  # type: ignore[method-assign]
    runpy.run_module("scheduler", run_name="__main__")
