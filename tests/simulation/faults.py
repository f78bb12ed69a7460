"""What a scenario lets go wrong at a moment, beside the small things that go wrong at doors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from common.messages import NODE_EVENTS
from tests.simulation.scenario import AWAY
from tests.simulation.world import Process

if TYPE_CHECKING:
    from tests.simulation.platform import Platform

GROUPS = ("scheduler", "deployment_manager", "node-manager")
CLOCK_STEPS_S = (-3600.0, 3600.0, 5.0)


class Faults:
    """Does to a platform what it is told to."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._world = platform.world
        self._broker = platform.backbone.broker
        self._acts: dict[str, Callable[[float], None]] = {
            "kafka away": self._kafka_away,
            "mysql away": self._mysql_away,
            "cut from kafka": lambda length: self._cut("bus", length),
            "cut from mysql": lambda length: self._cut("db", length),
            "freeze": lambda length: self._some().freeze(length),
            "crash": lambda _: self._some().die(),
            "stop": lambda _: self._some().stop(),
            "power off": self._power_off,
            "reinstall": lambda length: self._power_off(length, is_wiped=True),
            "docker away": self._docker_away,
            "clock step": self._step_clock,
            "replay": self._replay,
            "kill all": self._kill_all,
            AWAY: self._schedulers_away,
        }

    def happen(self, kind: str, length: float) -> None:
        """Let it happen, for that many seconds where it has a length."""
        self._world.note("fault", f"{kind} for {length:g} s")
        self._acts[kind](length)

    def _some(self) -> Process:
        return self._world.rng.choice(self._world.processes)

    def _set_for(self, what: object, name: str, value: object, length: float) -> None:
        before = getattr(what, name)
        setattr(what, name, value)
        self._world.later(length, lambda: setattr(what, name, before))

    def _kafka_away(self, length: float) -> None:
        if self._broker.bus.available:
            self._set_for(self._broker.bus, "available", value=False, length=length)

    def _mysql_away(self, length: float) -> None:
        if not self._platform.backbone.database.is_down:
            self._set_for(self._platform.backbone.database, "is_down", value=True, length=length)

    def _cut(self, door: str, length: float) -> None:
        process = self._some()
        process.cut.add(door)
        self._world.note("cut", f"{process.name} from {door}")
        self._world.later(length, lambda: process.cut.discard(door))

    def _docker_away(self, length: float) -> None:
        machine = self._world.rng.choice(self._platform.machines)
        if not machine.engine.is_down:
            machine.away.append((self._world.time, self._world.time + length))
            self._set_for(machine.engine, "is_down", value=True, length=length)

    def _power_off(self, length: float, *, is_wiped: bool = False) -> None:
        machine = self._world.rng.choice(self._platform.machines)
        if machine.engine.is_down:
            return
        machine.away.append((self._world.time, self._world.time + length))
        machine.power_off(length)
        if is_wiped:
            heard = b"".join(record.value for record in self._broker.bus.records(NODE_EVENTS))
            machine.reinstall(lambda job_id: job_id.encode() in heard)

    def _step_clock(self, _: float) -> None:
        """Of a service; the clients' machines keep to NTP, or are not chosen (guarantees.md, 3)."""
        process = self._world.rng.choice(
            [*self._platform.schedulers, *self._platform.deployers]
        )  # fmt: skip
        process.clock_offset_s = self._world.rng.choice(CLOCK_STEPS_S)
        if process.life is not None:
            process.life.clock.offset_s = process.clock_offset_s

    def _replay(self, _: float) -> None:
        """Offsets are lost. Not a machine's too that came back empty: that is two losses at once."""
        clients = [f"client-{m.name}" for m in self._platform.machines if not m.is_reinstalled]
        for group in (*GROUPS, *clients):
            self._broker.bus.forget_commits(group)
        self._some().die()

    def _schedulers_away(self, length: float) -> None:
        for process in self._platform.schedulers:
            process.is_held_down = True
            process.die()
            process.down.append((self._world.time, self._world.time + length))
            self._world.later(length, partial(_let_back, process))

    def _kill_all(self, _: float) -> None:
        for process in self._world.processes:
            process.die()


def _let_back(process: Process) -> None:
    process.is_held_down = False
    process.start()
