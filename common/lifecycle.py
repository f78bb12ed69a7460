"""The life of a service process: settings, logs, loops, health, heartbeat, and a clean end.

A service's ``__main__.py`` wires its parts in a `build` function and ends with
``sys.exit(run("scheduler", build))``. Exit codes: 0 after SIGTERM, 78 for bad configuration, 1
when a loop gave up (the restart policy may help).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import Gauge

from common import logs
from common.bus import Producer
from common.clock import Clock, SystemClock
from common.config import Settings
from common.errors import ConfigError, Retryable
from common.health import Check, Health, start_health_server
from common.loops import EXIT_CONFIG, EXIT_FAILED, Every, Loop, LoopRunner, every, forever
from common.messages import SERVICE_HEARTBEATS, ServiceHeartbeat, encode, key_of

VERSION = "0.1.0"
HEARTBEAT_S = 5.0
BEGIN_WITHIN_S = 0.5
"""So long at most the loops that come first have the process for themselves."""

STOP_WITHIN_S = 20.0  # of the 25 s that a container runtime is told to wait

_log = logs.logger("lifecycle")
_figures = Gauge("rota_figure", "Numbers worth showing", ["name"])
heartbeat_at = Gauge(
    "rota_heartbeat_timestamp_seconds",
    "When the last heartbeat reached Kafka; before the first one, when its sender began",
    ["topic"],
)
"""A moment and no age, so that a process that hangs grows old. By the machine's own clock."""

__all__ = ["Context", "Every", "Loop", "Service", "every", "forever", "heartbeat_at", "run",
           "wait_for"]  # fmt: skip


@dataclass(frozen=True)
class Context:
    """What a service is built from. `stopping` is set when it is time to leave."""

    name: str
    settings: Settings
    clock: Clock
    replica: str
    host: str
    stopping: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Service:
    """What a service consists of.

    `checks` decide readiness: each returns None when well, else raises or returns what is wrong.
    `figures` are read every 5 s for the heartbeat and /metrics. `close` is called once, after the
    loops have ended. With a `producer` the service sends its own heartbeats. The loops in `first`
    begin before the others, which follow once `begun` is set, or after half a second.
    """

    loops: Sequence[Loop]
    checks: Mapping[str, Check] = field(default_factory=dict)
    figures: Mapping[str, Callable[[], float]] = field(default_factory=dict)
    close: Callable[[], object] = lambda: None
    producer: Producer | None = None
    first: Sequence[Loop] = ()
    begun: threading.Event = field(default_factory=threading.Event)


def run(
    name: str,
    build: Callable[[Context], Service],
    *,
    environment: Mapping[str, str] | None = None,
    stopping: threading.Event | None = None,
) -> int:
    """Run a service until SIGTERM, SIGINT or `stopping`; return the exit code."""
    settings = Settings(os.environ if environment is None else environment)
    logs.configure(name, level=settings.text("LOG_LEVEL", "INFO"))
    host = socket.gethostname()
    context = Context(
        name, settings, SystemClock(), settings.text("REPLICA", host), host,
        stopping or threading.Event(),
    )  # fmt: skip
    try:
        service = build(context)
        return _Process(context, service).run()
    except ConfigError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except Exception as error:  # noqa: BLE001 - logged once, and told by the exit code
        _log.critical("service_not_started", exc_info=error)
        return EXIT_FAILED


def wait_for(check: Callable[[], object], stopping: threading.Event, pause_s: float = 1.0) -> bool:
    """Call `check` until it raises no `Retryable`; return False when told to stop before."""
    while not stopping.is_set():
        try:
            check()
        except Retryable as error:
            _log.info("waiting", error=str(error))
            stopping.wait(pause_s)
        else:
            return True
    return False


class _Process:
    """One running service. Its main thread only waits."""

    def __init__(self, context: Context, service: Service) -> None:
        self._context = context
        self._service = service
        self._exit_code = 0
        self._started_at = context.clock.now()
        self._health = Health(_version(context), service.checks, self._stuck_loops)
        loops: list[Loop] = [every(HEARTBEAT_S, "checks", self._check)]
        if service.producer:
            heartbeat_at.labels(SERVICE_HEARTBEATS).set(self._started_at.timestamp())
            beat = _Heartbeat(context, service, self._health, self._started_at)
            loops.append(every(HEARTBEAT_S, "heartbeat", beat.send))
        loops += service.loops
        self._first = self._runners_of(service.first)
        self._others = self._runners_of(loops)
        self._runners = [*self._first, *self._others]

    def run(self) -> int:
        settings = self._context.settings
        host, port = settings.text("HEALTH_HOST", "127.0.0.1"), settings.integer("HEALTH_PORT", 0)
        with ExitStack() as stack:
            stack.callback(self._service.close)
            try:
                server = start_health_server(self._health, host, port)
            except OSError as error:
                raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from error
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            self._heed_signals()
            _log.info("service_started", version=VERSION, health_port=server.server_address[1])
            self._begin()
            self._context.stopping.wait()
            self._stop_loops()
        _log.info("service_stopped", exit_code=self._exit_code)
        return self._exit_code

    def _begin(self) -> None:
        for runner in self._first:
            runner.thread.start()
        if self._first:
            self._service.begun.wait(BEGIN_WITHIN_S)
        for runner in self._others:
            runner.thread.start()

    def _runners_of(self, loops: Sequence[Loop]) -> list[LoopRunner]:
        return [LoopRunner(loop, self._context.clock, self._exit) for loop in loops]

    def _heed_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._context.stopping.set())

    def _stop_loops(self) -> None:
        deadline = self._context.clock.monotonic() + STOP_WITHIN_S
        for runner in self._runners:
            runner.stop()
        for runner in self._runners:
            runner.thread.join(max(0.0, deadline - self._context.clock.monotonic()))
            if runner.thread.is_alive():
                _log.error("loop_did_not_stop", loop=runner.name)

    def _exit(self, code: int) -> None:
        self._exit_code = self._exit_code or code
        self._context.stopping.set()

    def _check(self) -> None:
        self._health.run_checks()
        for name, figure in self._service.figures.items():
            _figures.labels(name).set(figure())

    def _stuck_loops(self) -> list[str]:
        return [f"{runner.name} is stuck" for runner in self._runners if runner.is_stuck()]


@dataclass(frozen=True)
class _Heartbeat:
    """Tells the platform that this process is alive."""

    context: Context
    service: Service
    health: Health
    started_at: datetime

    def send(self) -> None:
        message = ServiceHeartbeat(
            time=self.context.clock.now(),
            service=self.context.name,
            replica=self.context.replica,
            host=self.context.host,
            build=_version(self.context)["build"],
            started_at=self.started_at,
            health=dict(self.health.outcomes),
            figures={name: float(figure()) for name, figure in self.service.figures.items()},
        )
        if self.service.producer:
            pending = self.service.producer.send(
                SERVICE_HEARTBEATS, key_of(message), encode(message)
            )
            pending.wait(HEARTBEAT_S)
            heartbeat_at.labels(SERVICE_HEARTBEATS).set(self.context.clock.now().timestamp())


def _version(context: Context) -> dict[str, str]:
    build = context.settings.text("BUILD", VERSION)
    return {"service": context.name, "version": VERSION, "build": build}
