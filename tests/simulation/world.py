"""One process that plays many: virtual time, seeded interleaving, and death at any door.

A `World` runs the loops of `Process`es one call at a time. Which comes next, and how long each
waits, is decided by one seeded generator; time jumps to the next due moment. At every call of a
door (`World.at_door`) the running process may crash, freeze or be refused.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from common.errors import ConfigError, FatalError, Retryable
from common.lifecycle import Every, Loop, Service

START = datetime(2026, 10, 20, 8, 0, tzinfo=UTC)
LEAST_WAIT_S = 0.001
FAILURES_IN_A_ROW = 10
DEEPEST_FREEZE = 3


class Crash(BaseException):
    """The process that gets this is dead; nothing of it may go on."""


class Clock:
    """The world's time as one process sees it; `offset_s` is a step of its wall clock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.offset_s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self._world.time + self.offset_s)

    def monotonic(self) -> float:
        return self._world.time


class Signal:
    """A `threading.Event` that never blocks: who waits is run again when it is set."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._is_set = False
        self.count = 0
        self.waiters: set[Running] = set()

    def set(self) -> None:
        self._is_set = True
        self.count += 1
        for running in sorted(self.waiters, key=lambda one: one.number):
            running.wake()

    def clear(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        if not self._is_set:
            self._world.wait(self, timeout if timeout is not None else 3600.0)
        return self._is_set


@dataclass(eq=False)
class Running:
    """One loop of one life of a process."""

    process: Process
    loop: Loop
    number: int
    due: float
    wait_s: float | None = None
    is_woken: bool = False
    failures: int = 0

    def wake(self) -> None:
        """Let it run soon, as a thread that was notified would."""
        self.is_woken = True
        self.due = min(self.due, self.process.world.soon())


@dataclass(eq=False)
class Life:
    """One life of a process, from start to crash. A door of a dead life leads nowhere."""

    process: Process
    clock: Clock
    is_alive: bool = True
    is_amidst: bool = False  # frozen in a call that others' calls are piled upon
    running: list[Running] = field(default_factory=list)
    service: Service | None = None
    parts: Any = None  # what others must reach of it


@dataclass(eq=False)
class Process:
    """A service of the platform that is started again whenever it has died."""

    world: World
    name: str
    build: Callable[[Life], Service]
    restart_s: tuple[float, float] = (0.5, 4.0)
    life: Life | None = None
    frozen_until: float = 0.0
    cut: set[str] = field(default_factory=set)  # "bus", "db": doors it cannot reach
    clock_offset_s: float = 0.0
    lives: int = 0
    down: list[tuple[float, float]] = field(default_factory=list)
    is_held_down: bool = False

    @property
    def is_frozen(self) -> bool:
        is_amidst = self.life is not None and self.life.is_amidst
        return is_amidst or self.frozen_until > self.world.time

    def start(self) -> None:
        """Begin a life; a crash while being built is a crash like any other."""
        if self.is_held_down or self.life is not None:
            return
        world = self.world
        clock = Clock(world)
        clock.offset_s = self.clock_offset_s
        life = Life(self, clock)
        self.life, self.lives = life, self.lives + 1
        world.note("start", self.name)
        with world.acting(self):
            try:
                life.service = self.build(life)
            except Crash:
                self.die()
                return
        for loop in [*life.service.first, *life.service.loops]:
            _unblock(loop, world)
            running = Running(self, loop, next(world.numbers), world.soon())
            if isinstance(loop, Every):
                loop.woken = Signal(world)  # type: ignore[assignment]
                loop.woken.waiters.add(running)  # type: ignore[attr-defined]
            life.running.append(running)

    def die(self) -> None:
        """End this life; another begins after a while."""
        if self.life is None:
            return
        self.life.is_alive = False
        self.life = None
        self.world.note("crash", self.name)
        began = self.world.time
        pause = self.world.rng.uniform(*self.restart_s)
        self.down.append((began, began + pause))
        self.world.later(pause, self.start)

    def stop(self) -> None:
        """End cleanly, as SIGTERM does."""
        if self.life is None or self.life.service is None:
            return
        self.world.note("stop", self.name)
        with self.world.acting(self):
            try:
                self.life.service.close()
            except Crash:
                self.die()
                return
            except (Retryable, OSError) as error:
                self.world.note("stop failed", f"{self.name}: {error}")
        self.die()

    def freeze(self, seconds: float) -> None:
        """Stop running for a while, as SIGSTOP does, and go on."""
        self.world.note("freeze", f"{self.name} for {seconds:.1f} s")
        self.frozen_until = max(self.frozen_until, self.world.later(seconds, lambda: None))
        self.down.append((self.world.time, self.frozen_until))


def _unblock(loop: Loop, world: World) -> None:
    """Let what a loop's owner waits for be signals of the world."""
    owner = getattr(getattr(loop, "function", None), "__self__", None)
    for name, value in list(vars(owner).items()) if hasattr(owner, "__dict__") else ():
        if isinstance(value, threading.Event):
            setattr(owner, name, Signal(world))


@dataclass(frozen=True)
class Chaos:
    """How likely each call of a door goes wrong, until when, and for whom."""

    crash: float = 0.0
    freeze: float = 0.0
    error: float = 0.0
    message: float = 0.0  # lost, doubled, late
    until: float = 0.0


class World:
    """Time, processes and fate. Everything random comes from `rng`."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.time = 0.0
        self.chaos = Chaos()
        self.processes: list[Process] = []
        self.current: Process | None = None
        self.errors: dict[str, str] = {}  # with the traceback of each first one
        self.trace: list[str] = []
        self.is_verbose = False
        self.digest = 0
        self.calls = 0
        self.numbers = itertools.count()
        self.may_freeze: Callable[[], bool] = lambda: True
        self.plan: Callable[[Process, str], None] = lambda _process, _door: None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._running: Running | None = None
        self._depth = 0

    def soon(self) -> float:
        """Return when a thread that may go on really does."""
        delay = self.rng.expovariate(200)
        if self.rng.random() < 0.01:
            delay += self.rng.uniform(0, 2)
        return round(self.time + delay, 6)

    def later(self, seconds: float, act: Callable[[], None]) -> float:
        """Let something happen at a moment to come; return that moment."""
        moment = round(self.time + seconds, 6)
        heapq.heappush(self._events, (moment, next(self.numbers), act))
        return moment

    def note(self, what: str, text: str = "") -> None:
        line = f"{self.time:10.3f} {what} {text}"
        self.digest = zlib.crc32(line.encode(), self.digest)
        self.trace.append(line)

    def wait(self, signal: Signal | None, seconds: float) -> None:
        """Let the running loop sleep that long at most once its round is over."""
        if self._running is not None:
            before = self._running.wait_s
            self._running.wait_s = seconds if before is None else min(before, seconds)
            if signal is not None:
                signal.waiters.add(self._running)

    @contextmanager
    def acting(self, process: Process | None) -> Iterator[None]:
        """Tell whose calls the doors see."""
        before, self.current = self.current, process
        try:
            yield
        finally:
            self.current = before

    def at_door(self, life: Life, door: str) -> bool:
        """Pass a door; crash or freeze here, or return whether the call is to fail."""
        if not life.is_alive:
            raise Crash
        process = life.process
        self.calls += 1
        self.plan(process, door)
        chaos = self.chaos
        if self.time >= chaos.until:
            return False
        roll = self.rng.random()
        if roll < chaos.crash:
            process.die()
            raise Crash
        if roll < chaos.crash + chaos.freeze:
            self.freeze_here(life, self.rng.choice((1.0, 5.0, 12.0, 40.0)))
            return False
        return roll > 1 - chaos.error

    def freeze_here(self, life: Life, seconds: float) -> None:
        """Freeze a process in the middle of what it does; all others go on meanwhile."""
        if self._depth >= DEEPEST_FREEZE or not self.may_freeze():
            return
        life.process.freeze(seconds)
        life.is_amidst, began = True, self.time
        self._depth += 1
        running, self._running = self._running, None
        try:
            with self.acting(None):
                self.run_until(life.process.frozen_until)
        finally:
            self._running = running
            self._depth -= 1
            life.is_amidst = False
            life.process.down.append((began, self.time))
        if not life.is_alive:
            raise Crash

    def run_until(self, end: float) -> None:
        """Run everything that is due up to `end`."""
        while True:
            running = self._next()
            at = running.due if running else float("inf")
            if self._events and self._events[0][0] <= at:
                at, _, act = self._events[0]
                if at > end:
                    break
                heapq.heappop(self._events)
                self.time = max(self.time, at)
                act()
            elif running is not None and at <= end:
                self.time = max(self.time, at)
                self._run(running)
            else:
                break
        self.time = max(self.time, end)

    def sleep_until(self, moment: float) -> None:
        """Suspend everything, as the lid of a laptop does; nothing runs meanwhile."""
        self.note("sleep", f"until {moment:.0f}")
        self.time = max(self.time, moment)

    def _next(self) -> Running | None:
        best: Running | None = None
        for process in self.processes:
            if process.life is None or process.is_frozen:
                continue
            for running in process.life.running:
                if best is None or running.due < best.due:
                    best = running
        return best

    def _run(self, running: Running) -> None:
        running.wait_s, running.is_woken = None, False
        before, self._running = self._running, running
        with self.acting(running.process):
            try:
                pause = self._guarded(running)
            except Crash:
                running.process.die()
                return
            finally:
                self._running = before
        self.digest = zlib.crc32(f"{self.time}{running.loop.name}".encode(), self.digest)
        if running.is_woken:
            running.due = self.soon()
            return
        pause = max(pause, running.wait_s or 0.0, LEAST_WAIT_S)
        running.due = round(self.time + pause * self.rng.uniform(1.0, 1.2), 6)

    def _guarded(self, running: Running) -> float:
        """As `common.loops.LoopRunner` does, without threads."""
        try:
            pause = running.loop.run_once()
        except (ConfigError, FatalError) as error:
            self.note("gave up", f"{running.process.name}/{running.loop.name}: {error}")
            raise Crash from error
        except Retryable as error:
            running.failures += 1
            self.note("retry", f"{running.process.name}/{running.loop.name}: {error}")
            return self._backoff(running)
        except Exception as error:
            running.failures += 1
            where = f"{running.process.name}/{running.loop.name}"
            self.note("failed", f"{where}: {error!r}")
            self.errors.setdefault(f"{where}: {error!r}", traceback.format_exc())
            if running.failures >= FAILURES_IN_A_ROW:
                raise Crash from error
            return self._backoff(running)
        running.failures = 0
        return pause

    def _backoff(self, running: Running) -> float:
        limit = min(5.0, 0.1 * 2.0 ** min(running.failures, 10))
        return self.rng.uniform(limit / 2, limit)
