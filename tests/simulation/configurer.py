"""The configurer and the application manager: files applied until one answer says that it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from application_manager.asks import Asks
from application_manager.domain.access import Actor, Role
from application_manager.publisher import Publisher
from application_manager.schedules import Schedules, Terms, Upload
from common.db.queries import load_queries
from common.errors import Permanent, Retryable
from common.lifecycle import Service, every
from common.schedule import InstanceSpec
from tests.simulation.doors import SimBus
from tests.simulation.services import Backbone
from tests.simulation.world import Crash, Life, Process

ACTOR = Actor("simulation", Role.ADMIN)
ASK_AGAIN_S = 1.5
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Configurer:
    """Applies files and asks for things, by way of a process that may die meanwhile."""

    def __init__(self, backbone: Backbone) -> None:
        self.acked: set[str] = set()
        self.asked: set[str] = set()
        self._backbone = backbone
        self._world = backbone.world
        self.process = Process(self._world, "application_manager/a", self._build)
        self._world.processes.append(self.process)

    def apply(self, specs: Sequence[InstanceSpec], edit: int = 0) -> None:
        """Apply a file of instances; the same key again and again until the answer comes (G1)."""
        names = [spec.id for spec in specs]
        upload = Upload(((f"{names[0]}.json", json.dumps(file_of(specs))),))
        key = f"{names[0]} {edit}"
        self._insist(
            lambda parts: parts[0].apply(upload, ACTOR, Terms(key=key)),
            lambda: self.acked.update(names),
        )

    def do(self, ask: Callable[[Schedules, Asks], Sequence[str]]) -> None:
        """Ask for something till an answer comes; what is acknowledged must be answered (G1).

        `ask` returns the keys of its requests. A refusal is an answer; a crash after the commit
        asks twice.
        """
        keys: list[str] = []

        def once(parts: Any) -> None:
            with suppress(Permanent):
                keys.extend(ask(*parts))

        self._insist(once, lambda: self.asked.update(keys))

    def _insist(self, ask: Callable[[Any], object], done: Callable[[], object]) -> None:
        def again() -> None:
            self._world.later(ASK_AGAIN_S, act)

        def act() -> None:
            life = self.process.life
            if life is None or self.process.is_frozen:
                again()
                return
            with self._world.acting(self.process):
                try:
                    ask(life.parts)
                except Crash:
                    self.process.die()
                    again()
                    return
                except Retryable:
                    again()
                    return
            done()

        act()

    def _build(self, life: Life) -> Service:
        producer = SimBus(self._backbone.broker, life).producer()
        queries = load_queries("application_manager")
        database = self._backbone.database.door(life, "rota_app", queries)
        outbox = every(1.0, "outbox", Publisher(database, producer, life.clock).run_once)
        life.parts = (
            Schedules(database, outbox.wake), Asks(database, life.clock, outbox.wake),
        )  # fmt: skip
        return Service(loops=[outbox])


def file_of(specs: Sequence[InstanceSpec]) -> dict[str, Any]:
    """Write the file that says the same as some specs."""
    return {"version": 1, "instances": [_instance_of(spec) for spec in specs]}


def _instance_of(spec: InstanceSpec) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": spec.id, "app": spec.app, "command": list(spec.command),
        "instances": spec.instances, "machine": spec.machine, "overlap": spec.overlap,
        "misfire": spec.misfire, "retries": spec.retries, "priority": spec.priority,
        "grace": f"{spec.grace_s}s", "start_deadline": f"{spec.start_deadline_s}s",
        "on_node_lost": spec.on_node_lost, "timezone": spec.timezone,
    }  # fmt: skip
    if spec.env:
        found["env"] = dict(spec.env)
    if spec.timeout_s is not None:
        found["timeout"] = f"{spec.timeout_s}s"
    if spec.depends_on:
        found["depends_on"] = [{"instance": e.instance, "on": e.on} for e in spec.depends_on]
    if spec.schedule is not None:
        found["schedule"] = _schedule_of(spec)
    return found


def _schedule_of(spec: InstanceSpec) -> dict[str, Any]:
    schedule = spec.schedule
    if schedule is None:
        raise AssertionError
    found: dict[str, Any] = {}
    if schedule.start is not None:
        found["start"] = f"{schedule.start:%Y-%m-%dT%H:%M:%S}Z"
    if schedule.end is not None:
        found["end"] = f"{schedule.end:%Y-%m-%dT%H:%M:%S}Z"
    if schedule.step:
        found["interval"] = f"{schedule.step}{schedule.unit}"
    if schedule.start_time is not None:
        found["start_time"] = f"{schedule.start_time:%H:%M}"
    if schedule.end_time is not None:
        found["end_time"] = f"{schedule.end_time:%H:%M}"
    if schedule.days:
        found["days"] = [DAYS[day] for day in schedule.days]
    if schedule.cron is not None:
        found["cron"] = schedule.cron
    if schedule.duration_s is not None:
        found["duration"] = f"{schedule.duration_s}s"
    return found
