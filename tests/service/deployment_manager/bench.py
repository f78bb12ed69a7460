"""A deployment manager on memory doors, with clients that a test plays by hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from common.bus.memory import MemoryBus
from common.bus.receive import Receiver
from common.clock import ManualClock
from common.db import DatabaseUnavailableError
from common.db.memory import MemoryDatabase, MemoryServer
from common.db.queries import parse_queries
from common.jobs import Reason
from common.messages import (
    JOB_COMMANDS,
    JOB_EVENTS,
    NODE_EVENTS,
    NODE_HEARTBEATS,
    NODE_LOADS,
    NODES,
    ContainerChanged,
    ContainerState,
    KillJob,
    NodeChanged,
    NodeHeartbeat,
    NodeLoad,
    NodeState,
    RunningContainer,
    RunSpec,
    StartContainer,
    StartJob,
    StopCause,
    decode,
    encode,
    fixed_topics,
    key_of,
    node_commands,
    node_topics,
)
from deployment_manager.reconcile import Reconciler
from deployment_manager.service import Deployer

ROOT = Path(__file__).resolve().parents[3]
QUERIES = """
-- name: rows
SELECT * FROM deployments ORDER BY job_id, attempt;
-- name: reservations
SELECT * FROM standalone_reservations;
-- name: erase
DELETE FROM deployments WHERE job_id = %(job_id)s;
"""
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
GIB = 1024**3


class BenchDatabase(MemoryDatabase):
    """The twin, with a look into its tables; `fail` breaks the next commit off."""

    def __init__(self, clock):
        texts = [(ROOT / f"{room}/queries.sql").read_text() for room in ("common/db", "deployment_manager")]
        self.server = MemoryServer(clock)
        self.server.migrate("rota_deployer", "deployment_manager")
        self.server.hook = self._hook
        self.fail = None  # "commit": nothing is written; "committed": it is, and nobody knows
        self.commits = 0
        super().__init__(self.server, "rota_deployer", parse_queries("\n".join([*texts, QUERIES])))

    def row(self, job_id, attempt=1):
        return self.rows()[job_id, attempt]

    def rows(self):
        with self.transaction() as transaction:
            return {(row["job_id"], row["attempt"]): row for row in transaction.all("rows")}

    def reservations(self):
        with self.transaction() as transaction:
            return {row["node"]: row["job_id"] for row in transaction.all("reservations")}

    def cordons(self):
        with self.transaction() as transaction:
            return [row["node"] for row in transaction.all("cordons")]

    def erase(self, job_id):
        with self.transaction() as transaction:
            transaction.execute("erase", job_id=job_id)

    def _hook(self, call):
        self.commits += call.step == "committed"
        if call.step == self.fail:
            self.fail = None
            raise DatabaseUnavailableError


class Replica:
    """One deployment manager and its receivers."""

    def __init__(self, bench, name):
        self.producer = bench.bus.producer()
        self.deployer = Deployer(bench.database, self.producer, bench.clock, name)
        self.reconciler = Reconciler(self.deployer, bench.clock)
        group = "deployment_manager"
        pairs = [
            (None, NODES, self.reconciler.receive_nodes),
            (None, NODE_LOADS, self.reconciler.receive_loads),
            (group, JOB_COMMANDS, self.deployer.receive_commands),
            (group, NODE_EVENTS, self.reconciler.receive_containers),
            (group, NODE_HEARTBEATS, self.reconciler.receive_heartbeats),
        ]
        self.receivers = [Receiver(bench.bus, self.producer, g, t, h) for g, t, h in pairs]

    def step(self):
        """Read all there is, then do what the loops do."""
        while sum(self._read(receiver) for receiver in self.receivers):
            pass
        self.reconciler.settle()
        self.deployer.place_pending()
        self.deployer.sweep()

    @staticmethod
    def _read(receiver):
        receiver.wake()
        return receiver.run_once(0)


class Bench:
    def __init__(self):
        self.clock = ManualClock(NOW)
        self.bus = MemoryBus(self.clock)
        self.bus.create_topics(fixed_topics())
        self.database = BenchDatabase(self.clock)
        self.revisions = {}
        self.replica = Replica(self, "one")

    def restart(self, name="one"):
        """Kill -9: only the bus and the database remain."""
        self.replica = Replica(self, name)

    def step(self):
        self.replica.step()

    def pass_time(self, seconds):
        self.clock.advance(timedelta(seconds=seconds))

    def _send(self, topic, message):
        self.replica.producer.send(topic, key_of(message), encode(message))

    def node(self, node_id, state=NodeState.ACTIVE, load=(0.1, 0.2), **fields):
        self.bus.create_topics(node_topics(node_id))
        revision = self.revisions[node_id] = self.revisions.get(node_id, 0) + 1
        fields = {"cpus": 4.0, "memory_bytes": 8 * GIB} | fields
        self._send(NODES, NodeChanged(
            node_id=node_id, state=state, revision=revision, boot_id="b", address="a", log_port=1,
            since=self.clock.now(), **fields))
        if load is not None:
            self.load(node_id, *load)

    def load(self, node_id, cpu, ram):
        self._send(NODE_LOADS, NodeLoad(node_id=node_id, sampled_at=self.clock.now(), cpu=cpu,
                                        ram=ram, load=2 * cpu * ram / (cpu + ram)))

    def start(self, job_id="a.1.0", attempt=1, machine="shared", spec=None, **fields):
        now = self.clock.now()
        message = StartJob(**({
            "id": f"{job_id}/{attempt}", "job_id": job_id, "attempt": attempt,
            "instance_id": job_id.partition(".")[0], "due": now,
            "ordinal": int(job_id.rpartition(".")[2]), "start_by": now + timedelta(hours=1),
            "spec": RunSpec(image="i", machine=machine, **(spec or {})),
        } | fields))
        self._send(JOB_COMMANDS, message)

    def kill(self, job_id="a.1.0", attempt=1, reason=Reason.USER):
        self._send(JOB_COMMANDS, KillJob(job_id=job_id, attempt=attempt, reason=reason))

    def report(self, start, state, cause=None, **fields):
        """Let the client that got `start` tell of its container."""
        fields.setdefault("started_at", self.clock.now())
        self._send(NODE_EVENTS, ContainerChanged(
            node_id=start.node_id, job_id=start.job_id, attempt=start.attempt, epoch=start.epoch,
            state=state, stop_cause=cause, **fields))

    def runs(self, start):
        self.report(start, ContainerState.RUNNING)

    def ends(self, start, exit_code=0, cause=None):
        self.report(start, ContainerState.EXITED, cause, exit_code=exit_code)

    def beat(self, node_id, *starts, state=ContainerState.RUNNING):
        containers = tuple(RunningContainer(job_id=s.job_id, attempt=s.attempt, epoch=s.epoch, state=state)
                           for s in starts)
        self._send(NODE_HEARTBEATS, NodeHeartbeat(
            node_id=node_id, boot_id="b", sequence=1, address="a", log_port=1, cpus=4.0,
            memory_bytes=8 * GIB, containers=containers, time=self.clock.now()))

    def commands(self, node_id, kind=StartContainer, job_id=None):
        topic = node_commands(node_id)
        found = [decode(topic, record.value) for record in self.bus.records(topic)]
        return [one for one in found if isinstance(one, kind) and job_id in (None, one.job_id)]

    def started(self, node_id="m1", job_id="a.1.0"):
        """Return the one start of a job that a node was commanded, as a client would see it."""
        starts = {one.epoch: one for one in self.commands(node_id, StartContainer, job_id)}
        assert starts, f"{node_id} was not commanded to start {job_id}"
        return starts[max(starts)]

    def told(self, job_id="a.1.0"):
        found = [decode(JOB_EVENTS, record.value) for record in self.bus.records(JOB_EVENTS)]
        return [one for one in found if one.job_id == job_id]

    def state(self, job_id="a.1.0"):
        told = self.told(job_id)
        return max(told, key=lambda one: (one.attempt, one.revision)).state if told else None

    def run_one(self, job_id="a.1.0", **fields):
        """Start a job on whatever node and let it run; return its start command."""
        self.start(job_id, **fields)
        self.step()
        row = self.database.row(job_id)
        start = self.started(row["node"], job_id)
        self.runs(start)
        self.step()
        return start


__all__ = ["GIB", "NOW", "Bench", "ContainerState", "NodeState", "Reason", "Replica", "StopCause"]
