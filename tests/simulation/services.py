"""The platform's services as `__main__` wires them, on the doors of one world.

Nothing of the wiring is repeated here: each `build` runs as it is, with the classes that reach out
(Kafka, MySQL, Docker, HTTP, threads that wait) replaced by those of the world.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from common.config import MySqlConfig, Settings
from common.db.queries import Queries
from common.lifecycle import Context, Service
from node_manager.client.deadlines import Deadlines, Lane
from node_manager.client.domain.attempt import Key
from node_manager.client.pulls import Pulls
from node_manager.client.reports import Outbox
from node_manager.client.service import Agent
from tests.simulation.doors import Broker, SimBus, SimEngine, SimServer
from tests.simulation.machines import PLATFORM, Machine, PowerJournal
from tests.simulation.world import START, Life, Process, Signal, World
from tests.support.at_once import AtOnce

SETTINGS = {
    "ROTA_KAFKA_BOOTSTRAP": "kafka:9092",
    "ROTA_MYSQL_HOST": "mysql",
    "ROTA_MYSQL_USER": "rota_sim",
    "ROTA_MYSQL_PASSWORD": "a-password-of-the-simulation",
    "ROTA_SCHEDULER_LEASE_S": "8",
}


class Backbone:
    """What all services of a world share."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broker = Broker(world)
        self.database = SimServer(world)

    def service(self, package: str, replica: str) -> Process:
        """Make one replica of a service."""
        module = importlib.import_module(f"{package}.__main__")

        def build(life: Life) -> Service:
            return self._build(module, life, self._context(life, package, replica), {})

        process = Process(self.world, f"{package}/{replica}", build)
        self.world.processes.append(process)
        return process

    def client(self, machine: Machine) -> Process:
        """Make a machine's platform client."""
        module = importlib.import_module("node_manager.client.__main__")
        settings = {
            "ROTA_PLATFORM": PLATFORM, "ROTA_CLIENT_NODE_ID": machine.name,
            "ROTA_CLIENT_ADDRESS": machine.name, "ROTA_CLIENT_BIND": "",
            "ROTA_CLIENT_JOURNAL": str(machine.journal_path),
            "ROTA_CLIENT_TOKEN": "a-token-of-the-simulation",
        }  # fmt: skip

        def build(life: Life) -> Service:
            context = self._context(life, "client", machine.name, settings)
            service = self._build(module, life, context, _client_parts(self.world, machine, life))
            return replace(service, loops=[loop for loop in service.loops if _is_kept(loop)])

        process = Process(self.world, f"client/{machine.name}", build)
        machine.client = process
        self.world.processes.append(process)
        return process

    def _context(
        self, life: Life, name: str, replica: str, settings: Mapping[str, str] | None = None
    ) -> Context:
        environment = SETTINGS | dict(settings or {}) | {"ROTA_REPLICA": replica}
        return Context(name, Settings(environment), life.clock, replica, f"{name}-{replica}")

    def _build(
        self, module: ModuleType, life: Life, context: Context, parts: Mapping[str, Any]
    ) -> Service:
        def database(config: MySqlConfig, queries: Queries, *_: object, **__: object) -> object:
            return self.database.door(life, config.database or "", queries)

        replaced = {
            "KafkaBus": lambda *_: SimBus(self.broker, life), "MySqlDatabase": database,
            "ThreadPoolExecutor": lambda *_: AtOnce(),  # a thread's pace would be no seed's
        }  # fmt: skip
        with _replaced(module, {**replaced, **parts}):
            build: Callable[[Context], Service] = module.build
            return build(context)


@contextmanager
def _replaced(module: ModuleType, parts: Mapping[str, Any]) -> Iterator[None]:
    before = {name: getattr(module, name) for name in parts if hasattr(module, name)}
    for name in before:
        setattr(module, name, parts[name])
    try:
        yield
    finally:
        for name, part in before.items():
            setattr(module, name, part)


def _client_parts(world: World, machine: Machine, life: Life) -> dict[str, Any]:
    def engine(*_: object) -> SimEngine:
        door = life.parts = SimEngine(world, life, machine.engine, machine.changed)
        return door

    def journal(*arguments: Any) -> PowerJournal:
        machine.journals.append(PowerJournal(*arguments))
        return machine.journals[-1]

    class SimAgent(Agent):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.changed = Signal(world)  # type: ignore[assignment]

    return {
        "DockerEngine": engine, "Journal": journal, "Agent": SimAgent,
        "Pulls": lambda *parts: Pulls(*parts, AtOnce()),
        "Deadlines": lambda clock: SimDeadlines(world, life, clock),
        "Outbox": lambda producer: SimOutbox(world, producer),
        "start_log_server": lambda *_: _NoServer(),
        "read_boot_id": lambda *_: machine.boot_id,
    }  # fmt: skip


class SimDeadlines(Deadlines):
    """Timers that a world keeps."""

    def __init__(self, world: World, life: Life, clock: Any) -> None:
        super().__init__(clock)
        self._world = world
        self._life = life
        self._put = Signal(world)

    def put(self, key: Key, at: Any, lane: Lane) -> None:
        super().put(key, at, lane)
        self._put.set()

    def take(self, lane: Lane, timeout_s: float) -> Key | None:
        key = super().take(lane, 0.0)
        if key is None:
            self._put.clear()
            upcoming = self.next_at()
            left = timeout_s * 20
            if upcoming is not None:
                due = (upcoming - START).total_seconds() - self._life.clock.offset_s
                left = min(left, max(0.0, due - self._world.time) + 1e-6)
            self._world.wait(self._put, left)
        return key


class SimOutbox(Outbox):
    """Reports that wait without a thread."""

    def __init__(self, world: World, producer: Any) -> None:
        super().__init__(producer)
        self._world = world
        self._put = Signal(world)

    def put(self, report: Any) -> None:
        super().put(report)
        self._put.set()

    def run_once(self, on_sent: Any, timeout_s: float = 0.5) -> float:
        if not len(self):
            self._put.clear()
            self._world.wait(self._put, timeout_s * 20)
            return 0.0
        return super().run_once(on_sent, 0.0)


class _NoServer:
    def shutdown(self) -> None:
        return


def _is_kept(loop: Any) -> bool:
    """One worker of each lane is enough where only one runs at a time."""
    return not loop.name.startswith(("ahead-", "normal-", "urgent-")) or loop.name.endswith("-0")

