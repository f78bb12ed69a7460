"""The whole platform in one process, living through a scenario, and the history it leaves."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.db import Row
from common.db.memory import MemoryDatabase
from common.db.queries import parse_queries
from common.messages import (
    NODE_LOADS,
    NodeLoad,
    encode,
    fixed_topics,
    node_topics,
)
from load_balancer.domain.load import harmonic_mean
from tests.checker.check import check
from tests.checker.history import Blind, History, Move
from tests.checker.history import Row as Told
from tests.simulation.configurer import Configurer
from tests.simulation.doors import RELEASED_WITHIN_S
from tests.simulation.expected import read_committed
from tests.simulation.faults import Faults
from tests.simulation.machines import Machine
from tests.simulation.people import People
from tests.simulation.scenario import Scenario
from tests.simulation.services import Backbone
from tests.simulation.wanted import at
from tests.simulation.world import World

QUERIES = parse_queries((Path(__file__).parent / "platform.sql").read_text(encoding="utf-8"))
DATABASES = {
    "rota_scheduler": "scheduler", "rota_deployer": "deployment_manager",
    "rota_nodes": "node_manager", "rota_app": "application_manager",
}  # fmt: skip
LOADS_EVERY_S = 5.0
APPLIED_WITHIN_S = 2.0
SETTLED_WITHIN_S = 150.0
LOOK_EVERY_S = 5.0
AWAKE_BEFORE_S = 25.0
AWAKE_AFTER_S = 30.0
TMPFS = Path("/dev/shm")


class Platform:
    """A world with everything in it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.world = World(scenario.seed)
        self.world.chaos = scenario.chaos
        self.backbone = Backbone(self.world)
        self.folder = Path(tempfile.mkdtemp(prefix="rota-sim-", dir=TMPFS if TMPFS.is_dir() else None))
        self._set_up()
        self.machines = [
            Machine(self.world, f"m{number}", self.folder)
            for number in range(1, scenario.machines + 1)
        ]
        self.configurer = Configurer(self.backbone)
        make = self.backbone.service
        self.schedulers = [make("scheduler", "ab"[n]) for n in range(scenario.schedulers)]
        self.deployers = [make("deployment_manager", "ab"[n]) for n in range(scenario.deployers)]
        make("node_manager", "a")
        self.clients = [self.backbone.client(machine) for machine in self.machines]

    def live(self) -> History:
        """Live through the scenario; return what happened."""
        self._begin()
        self.world.run_until(max(self.scenario.calm_from, self.scenario.last_due) + 1)
        self._settle()
        return self.history()

    def _begin(self) -> None:
        world, faults = self.world, Faults(self)
        for process in world.processes:
            world.later(world.rng.uniform(0, 1), process.start)
        world.later(0.5, self._publish_loads)
        for specs in self.scenario.files:
            world.later(
                world.rng.uniform(0, APPLIED_WITHIN_S), partial(self.configurer.apply, specs)
            )
        for begin, kind, length in self.scenario.faults:
            world.later(begin, partial(faults.happen, kind, length))
        world.later(self.scenario.chaos.until + RELEASED_WITHIN_S, self.backbone.broker.release_all)
        People(self).begin()

    def live_in_stretches(self) -> History:
        """The same, asleep while nothing is due: weeks pass in seconds."""
        world = self.world
        self._begin()
        for due in sorted({due for wanted in self.scenario.wanted for due in wanted.dues}):
            if due - AWAKE_BEFORE_S > world.time:
                world.sleep_until(due - AWAKE_BEFORE_S)
            world.run_until(due + AWAKE_AFTER_S)
        self._settle()
        return self.history()

    def close(self) -> None:
        for machine in self.machines:
            for journal in machine.journals:
                journal.close()
        self.backbone.database.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def history(self) -> History:
        """Gather what the ledger, the containers and Docker tell."""
        ends = [end for process in self.world.processes for _, end in process.down]
        calm_from = at(max([self.scenario.calm_from, *ends]))
        with (
            self._observer("rota_app").transaction() as app,
            self._observer("rota_scheduler").transaction() as transaction,
        ):
            committed = read_committed(app, transaction, self.scenario.variants)
            moves = tuple(
                Move(row["job_id"], row["from_state"], row["to_state"])
                for row in transaction.all("moves")
            )
            stored = frozenset(row["instance_id"] for row in transaction.all("schedules"))
        return History(
            dues=committed.dues(),
            rows=tuple(_row(row) for row in committed.rows),
            runs=tuple(run for machine in self.machines for run in machine.runs()),
            docker=tuple(run for machine in self.machines for run in machine.docker()),
            moves=moves,
            observed_until=at(self.world.time),
            acked=frozenset(self.configurer.acked),
            stored=stored,
            blind=tuple(self._blind()),
            calm_from=calm_from,
            asked=committed.asked,
            acked_asks=frozenset(self.configurer.asked),
            paused=committed.paused,
            deleted=committed.deleted,
        )

    def jobs(self) -> Sequence[Row]:
        """Read the ledger, as people see it."""
        with self._observer("rota_scheduler").transaction() as transaction:
            return transaction.all("jobs")

    def live_jobs(self) -> Sequence[Row]:
        """Read the jobs that have not ended."""
        with self._observer("rota_scheduler").transaction() as transaction:
            return transaction.all("live_jobs")

    def unsettled(self) -> list[str]:
        """List the jobs that have not ended, and the containers that run."""
        found = [row["job_id"] for row in self.live_jobs()]
        return found + [name for machine in self.machines for name in machine.engine.running()]

    def _settle(self) -> None:
        until = self.world.time + SETTLED_WITHIN_S
        while self.world.time < until and (self.unsettled() or self._lacks_rows()):
            self.world.run_until(self.world.time + LOOK_EVERY_S)
        self.world.run_until(self.world.time + LOOK_EVERY_S)

    def _lacks_rows(self) -> bool:
        return any(violation.text.endswith(("no row", "never answered")) for violation in check(self.history()))

    def _set_up(self) -> None:
        server = self.backbone.database.server
        for database, package in DATABASES.items():
            server.migrate(database, package)
        bus = self.backbone.broker.bus
        bus.create_topics(fixed_topics())
        for number in range(1, self.scenario.machines + 1):
            bus.create_topics(node_topics(f"m{number}"))

    def _observer(self, database: str) -> MemoryDatabase:
        return MemoryDatabase(self.backbone.database.server, database, QUERIES)

    def _publish_loads(self) -> None:
        """The load balancer's part."""
        world, broker = self.world, self.backbone.broker
        for machine in self.machines:
            if not machine.engine.is_down and broker.bus.available:
                cpu, ram = world.rng.uniform(0, 0.8), world.rng.uniform(0.1, 0.8)
                load = NodeLoad(
                    node_id=machine.name, time=at(world.time), sampled_at=at(world.time), cpu=cpu,
                    ram=ram, load=harmonic_mean(cpu, ram),
                )  # fmt: skip
                broker.bus.producer().send(NODE_LOADS, machine.name, encode(load))
        broker.arrived[NODE_LOADS].set()
        world.later(LOADS_EVERY_S, self._publish_loads)

    def _blind(self) -> list[Blind]:
        """When no client looked after a machine: its deadlines are then nobody's in this world."""
        found = []
        for machine in self.machines:
            spans = [*(machine.client.down if machine.client else []), *machine.away]
            found += [Blind(machine.name, at(begin), at(end)) for begin, end in spans]
        return found


def _row(row: Row) -> Told:
    detail = str(row["detail"] or "")
    return Told(
        job_id=row["job_id"], instance=row["instance_id"], due=row["due"], ordinal=row["ordinal"],
        state=row["state"], reason=row["reason"], attempt=row["attempt"], node=row["node"],
        started_at=row["started_at"], ended_at=row["ended_at"],
        kill_failed=detail.startswith(("kill failed", "kill not confirmed")), count=row["count"],
        until=row["until"], seen_at=row["updated_at"], is_manual=bool(row["is_manual"]),
    )  # fmt: skip

