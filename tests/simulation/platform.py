"""The whole platform in one process, living through a scenario, and the history it leaves."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path

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
from tests.checker.history import Blind, Due, History, Move, Row
from tests.simulation.configurer import Configurer
from tests.simulation.faults import Faults
from tests.simulation.machines import Machine
from tests.simulation.scenario import Scenario, at
from tests.simulation.services import Backbone
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
        last_due = max(due for wanted in self.scenario.wanted for due in wanted.dues)
        self.world.run_until(max(self.scenario.calm_from, last_due) + 1)
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
        for moment in self.scenario.kills:
            world.later(moment, self._kill_any)

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
        with self._observer("rota_scheduler").transaction() as transaction:
            rows = tuple(_row(row) for row in transaction.all("jobs"))
            moves = tuple(
                Move(row["job_id"], row["from_state"], row["to_state"])
                for row in transaction.all("moves")
            )
            stored = frozenset(row["instance_id"] for row in transaction.all("schedules"))
        with self._observer("rota_app").transaction() as transaction:
            # nothing is due before it was asked for
            applied = {r["instance_id"]: r["applied_at"] for r in transaction.all("applied")}
        ids = {row.job_id for row in rows}
        return History(
            dues=tuple(
                due
                for due in self.scenario.dues
                if due.due > applied.get(due.instance, due.due) and _has_its_parents(due, ids)
            ),
            rows=rows,
            runs=tuple(run for machine in self.machines for run in machine.runs()),
            docker=tuple(run for machine in self.machines for run in machine.docker()),
            moves=moves,
            observed_until=at(self.world.time),
            acked=frozenset(self.configurer.acked),
            stored=stored,
            blind=tuple(self._blind()),
            calm_from=calm_from,
        )

    def unsettled(self) -> list[str]:
        """List the jobs that have not ended, and the containers that run."""
        with self._observer("rota_scheduler").transaction() as transaction:
            found = [row["job_id"] for row in transaction.all("live_jobs")]
        return found + [name for machine in self.machines for name in machine.engine.running()]

    def _settle(self) -> None:
        until = self.world.time + SETTLED_WITHIN_S
        while self.world.time < until and (self.unsettled() or self._lacks_rows()):
            self.world.run_until(self.world.time + LOOK_EVERY_S)
        self.world.run_until(self.world.time + LOOK_EVERY_S)

    def _lacks_rows(self) -> bool:
        return any(violation.text.endswith("no row") for violation in check(self.history()))

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

    def _kill_any(self) -> None:
        """A person kills some live job."""
        with self._observer("rota_scheduler").transaction() as transaction:
            live = transaction.all("live_jobs")
        if live:
            job = self.world.rng.choice(live)
            self.configurer.kill(job["job_id"])
            self.world.note("person kills", job["job_id"])

    def _blind(self) -> list[Blind]:
        """When no client looked after a machine: its deadlines are then nobody's in this world."""
        found = []
        for machine in self.machines:
            spans = [*(machine.client.down if machine.client else []), *machine.away]
            found += [Blind(machine.name, at(begin), at(end)) for begin, end in spans]
        return found


def _has_its_parents(due: Due, ids: set[str]) -> bool:
    """A child is due once for each job of its parent; a stretch is one job, at its first time."""
    return all(parent in ids for parent in due.parents)


def _row(row: dict[str, object]) -> Row:
    detail = str(row["detail"] or "")
    return Row(
        job_id=row["job_id"], instance=row["instance_id"], due=row["due"], ordinal=row["ordinal"],
        state=row["state"], reason=row["reason"], attempt=row["attempt"], node=row["node"],
        started_at=row["started_at"], ended_at=row["ended_at"],
        kill_failed=detail.startswith(("kill failed", "kill not confirmed")), count=row["count"],
        until=row["until"], seen_at=row["updated_at"],
    )  # type: ignore[arg-type]  # fmt: skip

