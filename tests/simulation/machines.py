"""Machines of a world: Docker in memory, the containers' own stories, and power that may fail.

A container's command says how it behaves: ``run 20 0`` runs for 20 s and exits with 0. Its image
says how it takes signals: ``app:deaf`` ignores all but SIGKILL.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from common.jobs import JobId
from node_manager.client.domain.attempt import Key, Status
from node_manager.client.domain.container import LABEL, ContainerPlan, Owner
from node_manager.client.engine.memory import MemoryEngine
from node_manager.client.journal import Journal
from tests.checker.history import DockerRun, Run
from tests.simulation.world import Clock, Process, Signal, World

PLATFORM = "sim"
IMAGES = ("app:1", "app:deaf")
MOST_REACTION_S = 1.5


@dataclass
class _Told:
    """One run of one container, as it is known outside the platform."""

    job_id: JobId
    attempt: int
    container: str
    started_at: datetime
    died_at: datetime | None = None
    said_goodbye: bool = False


class Machine:
    """One computer: its Docker outlives the client, and its power is not for ever."""

    def __init__(self, world: World, name: str, folder: Path) -> None:
        self.world = world
        self.name = name
        self.folder = folder
        self.clock = Clock(world)
        self.boots = 1
        self.is_reinstalled = False
        self.told: list[_Told] = []
        self.changed = Signal(world)
        self.engine = WatchedEngine(self)
        self.client: Process | None = None
        self.journals: list[PowerJournal] = []
        self.away: list[tuple[float, float]] = []  # Docker or power

    @property
    def boot_id(self) -> str:
        return f"{self.name}-boot-{self.boots}"

    @property
    def journal_path(self) -> Path:
        return self.folder / self.name / "journal"

    def power_off(self, seconds: float) -> None:
        """Lose everything that is not on disk; come back later."""
        self.world.note("power off", f"{self.name} for {seconds:.1f} s")
        for name in self.engine.running():
            self.engine.end(name, 137)
        self.engine.is_down = True
        for journal in self.journals[-1:]:
            journal.lose_unsynced(self.world.rng.random())
        if self.client is not None:
            self.client.is_held_down = True
            self.client.die()
        self.world.later(seconds, self._power_on)

    def reinstall(self, is_known: Callable[[str], bool]) -> None:
        """Come back empty under the same name; of what nobody had heard no witness is left."""
        self.told = [one for one in self.told if is_known(one.job_id)]
        self.world.note("reinstalled", self.name)
        self.is_reinstalled = True
        self.journal_path.unlink(missing_ok=True)
        self.journal_path.with_suffix(".born").unlink(missing_ok=True)
        self.engine.wipe()

    def runs(self) -> list[Run]:
        """What the containers themselves wrote down."""
        return [
            Run(one.job_id, one.attempt, one.container, self.name, one.started_at,
                one.died_at if one.said_goodbye else None)
            for one in self.told
        ]  # fmt: skip

    def docker(self) -> list[DockerRun]:
        """What Docker tells of the same."""
        return [
            DockerRun(one.job_id, one.attempt, one.container, self.name, one.started_at,
                      one.died_at)
            for one in self.told
        ]  # fmt: skip

    def _power_on(self) -> None:
        self.boots += 1
        self.engine.reboot(self.boot_id)
        self.engine.is_down = False
        self.world.note("power on", self.name)
        if self.client is not None:
            self.client.is_held_down = False
            self.client.start()


class WatchedEngine(MemoryEngine):
    """Docker that lets containers behave, and remembers what they did."""

    def __init__(self, machine: Machine) -> None:
        owner = Owner(PLATFORM, machine.name, machine.boot_id)
        super().__init__(owner, machine.clock, IMAGES)
        self._machine = machine
        self._ids = itertools.count(1)

    def running(self) -> list[str]:
        return [
            name for name, one in self._containers.items() if one.seen.status is Status.RUNNING
        ]

    def wipe(self) -> None:
        self._containers.clear()

    def create(self, plan: ContainerPlan) -> None:
        super().create(plan)
        one = self._containers[plan.name]
        one.seen = replace(one.seen, container_id=f"{self._machine.name}-c{next(self._ids)}")
        self._tell(plan)

    def start(self, name: str) -> None:
        was_running = name in self.running()
        super().start(name)
        if was_running:
            return
        one = self._containers[name]
        machine, labels = self._machine, one.plan.labels
        job_id, attempt = JobId(labels[f"{LABEL}job"]), int(labels[f"{LABEL}attempt"])
        told = _Told(job_id, attempt, one.seen.container_id, machine.clock.now())
        machine.told.append(told)
        machine.world.note("container runs", f"{machine.name} {name}")
        what, *words = one.plan.command
        if what == "run":
            seconds, code = float(words[0]), int(words[1])
            machine.world.later(seconds, lambda: self._exit(name, told, code))
        self._tell(one.plan)

    def signal(self, name: str, signal: str) -> None:
        self._check()
        self.signals.append((name, signal, self._machine.clock.now()))
        if name not in self.running():
            return
        one = self._containers[name]
        if signal == "SIGKILL":
            self.end(name, 137)
        elif one.plan.image != "app:deaf":
            told = self._last(one.seen.container_id)
            reaction_s = self._machine.world.rng.uniform(0, MOST_REACTION_S)
            self._machine.world.later(reaction_s, lambda: self._exit(name, told, 0))

    def end(self, name: str, exit_code: int, *, oom_killed: bool = False) -> None:
        super().end(name, exit_code, oom_killed=oom_killed)
        one = self._containers[name]
        told = self._last(one.seen.container_id)
        told.died_at = self._machine.clock.now()
        told.said_goodbye = exit_code != 137
        self._machine.world.note("container ends", f"{self._machine.name} {name} {exit_code}")
        self._tell(one.plan)

    def remove(self, name: str) -> None:
        one = self._containers.get(name)
        super().remove(name)
        if one is not None:
            self._tell(one.plan)

    def _exit(self, name: str, told: _Told, code: int) -> None:
        """The process inside ends, if it is still that one."""
        one = self._containers.get(name)
        is_same = one is not None and one.seen.container_id == told.container
        if is_same and told.died_at is None:
            self.end(name, code)

    def _last(self, container: str) -> _Told:
        return next(one for one in reversed(self._machine.told) if one.container == container)

    def _tell(self, plan: ContainerPlan) -> None:
        key = Key(JobId(plan.labels[f"{LABEL}job"]), int(plan.labels[f"{LABEL}attempt"]))
        client = self._machine.client
        if client is not None and client.life is not None and client.life.parts is not None:
            client.life.parts.seen.append(key)
        self._machine.changed.set()


class PowerJournal(Journal):
    """A journal whose unsynced end a power failure may take."""

    _synced = 0

    def append(self, entries: object, *, sync: bool = True) -> None:
        super().append(entries, sync=sync)  # type: ignore[arg-type]
        if sync:
            self._synced = self._path.stat().st_size

    def compact(self, now: datetime) -> None:
        super().compact(now)
        self._synced = self._path.stat().st_size

    def lose_unsynced(self, share: float) -> None:
        size = self._path.stat().st_size
        os.truncate(self._path, self._synced + int((size - self._synced) * share))
