"""Loops: what a service does again and again, each on a thread of its own.

A loop is a name and a `run_once` that says in how many seconds it wants to run again. What happens
when it fails is decided here, once for all services.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from prometheus_client import Counter

from common.clock import Clock
from common.errors import ConfigError, FatalError, Retryable
from common.logs import logger

EXIT_FAILED = 1
EXIT_CONFIG = 78
MAX_BACKOFF_S = 5.0
MAX_FAILURES_IN_A_ROW = 10
STUCK_AFTER_S = 120.0

_log = logger("loops")
_runs = Counter("rota_loop_runs", "Runs of a loop by outcome", ["loop", "outcome"])


class Loop(Protocol):
    """Something to do again and again."""

    @property
    def name(self) -> str: ...

    def run_once(self) -> float:
        """Do one round; return the seconds until the next (0 = at once)."""
        ...


@runtime_checkable
class Wakeable(Protocol):
    """A loop that waits for something inside `run_once`; woken when the service stops."""

    def wake(self) -> None:
        """Make `run_once` return soon. May come from any thread."""
        ...


@dataclass
class Every:
    """Calls a function every so many seconds, sooner after a `wake`. See `every`."""

    name: str
    seconds: float
    function: Callable[[], float | None]
    woken: threading.Event = field(default_factory=threading.Event)

    def run_once(self) -> float:
        wait_s = self.function()
        return self.seconds if wait_s is None else wait_s

    def wake(self) -> None:
        """Run again at once instead of after the pause."""
        self.woken.set()


def every(seconds: float, name: str, function: Callable[[], float | None]) -> Every:
    """Make a loop of a function; what it returns, if anything, replaces `seconds` once."""
    return Every(name, seconds, function)


def forever(name: str, function: Callable[[], object], wake: Callable[[], None]) -> Loop:
    """Make a loop of a function that waits by itself, as `Receiver.run_once` does."""
    return _Forever(name, function, wake)


@dataclass
class _Forever:
    name: str
    function: Callable[[], object]
    wake: Callable[[], None]

    def run_once(self) -> float:
        self.function()
        return 0.0


class LoopRunner:
    """Runs one loop until it is stopped or must give up. Owned by its thread, but for `stop`."""

    def __init__(self, loop: Loop, clock: Clock, on_exit: Callable[[int], None]) -> None:
        self._loop = loop
        self._clock = clock
        self._on_exit = on_exit
        self._woken = loop.woken if isinstance(loop, Every) else threading.Event()
        self._is_stopping = False
        self._retries = 0
        self._failures = 0
        self._began: float | None = None
        self.thread = threading.Thread(target=self._run, name=loop.name, daemon=True)

    @property
    def name(self) -> str:
        return self._loop.name

    def stop(self) -> None:
        """Let the round that is going on be the last."""
        self._is_stopping = True
        if isinstance(self._loop, Wakeable):
            self._loop.wake()
        self._woken.set()

    def is_stuck(self) -> bool:
        """Tell whether one round has taken longer than any of our doors would wait."""
        began = self._began
        return began is not None and self._clock.monotonic() - began > STUCK_AFTER_S

    def _run(self) -> None:
        while not self._is_stopping:
            self._began = self._clock.monotonic()
            wait_s = self._run_guarded()
            self._began = None
            if wait_s > 0 and not self._is_stopping:
                self._woken.wait(wait_s)
            self._woken.clear()

    def _run_guarded(self) -> float:
        """Run one round; return the seconds to wait, whatever happened."""
        try:
            wait_s = self._loop.run_once()
        except ConfigError as error:
            return self._give_up(EXIT_CONFIG, error)
        except FatalError as error:
            return self._give_up(EXIT_FAILED, error)
        except Retryable as error:
            return self._retry_later(error)
        except Exception as error:  # noqa: BLE001 - the top of the loop: log once, go on
            return self._count_failure(error)
        if self._retries:
            _log.info("loop_recovered", loop=self.name, retries=self._retries)
        self._retries = self._failures = 0
        _runs.labels(self.name, "done").inc()
        return wait_s

    def _retry_later(self, error: Retryable) -> float:
        self._retries += 1
        _runs.labels(self.name, "retry").inc()
        if self._retries & (self._retries - 1) == 0:  # the 1st, 2nd, 4th, 8th...: no log storm
            _log.warning("loop_retries", loop=self.name, retries=self._retries,
                         error=f"{type(error).__name__}: {error}")  # fmt: skip
        return _backoff_s(self._retries)

    def _count_failure(self, error: Exception) -> float:
        self._failures += 1
        _runs.labels(self.name, "failed").inc()
        _log.error("loop_failed", loop=self.name, failures=self._failures, exc_info=error)
        if self._failures >= MAX_FAILURES_IN_A_ROW:
            return self._give_up(EXIT_FAILED, error)
        return _backoff_s(self._failures)

    def _give_up(self, code: int, error: Exception) -> float:
        _log.critical("loop_gave_up", loop=self.name, exit_code=code,
                      error=f"{type(error).__name__}: {error}")  # fmt: skip
        self._is_stopping = True
        self._on_exit(code)
        return 0.0


def _backoff_s(attempt: int) -> float:
    """Double from 0.1 s to 5 s, with full jitter in the upper half."""
    limit = min(MAX_BACKOFF_S, 0.1 * 2.0 ** min(attempt, 10))
    return random.uniform(limit / 2, limit)
