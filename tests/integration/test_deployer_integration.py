"""The deployment manager as processes, on real Kafka and MySQL: crashes, take-over, its store."""

import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from common.bus.kafka import KafkaBus
from common.bus.receive import Receiver
from common.config import MySqlConfig
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.jobs import Reason
from common.messages import (
    JOB_COMMANDS,
    JOB_EVENTS,
    NODE_EVENTS,
    NODE_LOADS,
    NODES,
    ContainerChanged,
    ContainerState,
    DeploymentState,
    KillJob,
    NodeChanged,
    NodeLoad,
    NodeState,
    RunSpec,
    StartContainer,
    StartJob,
    StopCause,
    StopContainer,
    encode,
    fixed_topics,
    key_of,
    node_commands,
    node_topics,
)
from common.secret import Secret
from deployment_manager import store
from deployment_manager.domain.deployment import Deployment, Placing, Told, place
from deployment_manager.fleet import Fleet
from deployment_manager.round import Round
from tests.support import servers
from tests.support.clients import kafka_config, now, resident_mb

PASSWORD = secrets.token_hex(12)
NODE = f"m-{secrets.token_hex(3)}"


def settings_of(server):
    return {
        "PATH": os.environ["PATH"], "ROTA_MYSQL_HOST": server.host,
        "ROTA_MYSQL_PORT": str(server.port), "ROTA_MYSQL_ADMIN_USER": server.user,
        "ROTA_MYSQL_ADMIN_PASSWORD": server.password, "ROTA_DEPLOYER_PASSWORD": PASSWORD,
    }  # fmt: skip


def migrate(server):
    done = subprocess.run([sys.executable, "-m", "deployment_manager.migrations"],
                          cwd=servers.REPOSITORY, env=settings_of(server), check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def database_of(server):
    config = MySqlConfig(server.host, server.port, "rota_deployer", Secret(PASSWORD), "rota_deployer")
    return MySqlDatabase(config, load_queries("deployment_manager"))


def start_of(job_id, **fields):
    spec = RunSpec(image="demo", command=("a", "ü'\"\\%s\u2028"), env={"K": "v"},
                   **fields.pop("spec", {}))
    return StartJob(**({
        "id": f"{job_id}/1", "job_id": job_id, "attempt": 1, "instance_id": job_id.partition(".")[0],
        "due": now(), "ordinal": 0, "start_by": now() + timedelta(minutes=5), "spec": spec,
    } | fields))


@contextmanager
def deployer(kafka, mysql, folder, name="one", **extra):
    environment = {
        **settings_of(mysql), "ROTA_MYSQL_USER": "rota_deployer", "ROTA_MYSQL_PASSWORD": PASSWORD,
        "ROTA_KAFKA_BOOTSTRAP": kafka.address, "ROTA_KAFKA_USER": kafka.user, "ROTA_REPLICA": name,
        "ROTA_KAFKA_PASSWORD": kafka.password, "ROTA_HEALTH_PORT": str(servers.free_port()), **extra,
    }  # fmt: skip
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "deployment_manager"], env=environment,
                                   cwd=servers.REPOSITORY, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


class World:
    """The scheduler and one client, played by hand."""

    def __init__(self, kafka):
        self.bus = KafkaBus(kafka_config(kafka), "test")
        self.bus.create_topics([*fixed_topics(), *node_topics(NODE)])
        self.producer = self.bus.producer()
        self.told, self.commands = [], []
        self._receivers = [
            Receiver(self.bus, self.producer, None, JOB_EVENTS, self._hear(self.told)),
            Receiver(self.bus, self.producer, None, node_commands(NODE), self._hear(self.commands)),
        ]

    @staticmethod
    def _hear(heard):
        return lambda batch: heard.extend(one.message for one in batch)

    def send(self, topic, *messages):
        for pending in [self.producer.send(topic, key_of(one), encode(one)) for one in messages]:
            pending.wait(10)

    def node(self):
        self.send(NODES, NodeChanged(node_id=NODE, state=NodeState.ACTIVE, revision=1, boot_id="b",
                                     address="a", log_port=1, cpus=64, memory_bytes=1 << 40, since=now()))
        self.send(NODE_LOADS, NodeLoad(node_id=NODE, sampled_at=now(), cpu=0.1, ram=0.2, load=0.13))

    def wait_for(self, found, timeout_s=30):
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for receiver in self._receivers:
                receiver.run_once(0.02)
            value = found()
            if value:
                return value
        raise AssertionError(f"told {self.told[-4:]}, commanded {self.commands[-4:]}")

    def command(self, job_id, kind=StartContainer):
        return self.wait_for(lambda: [c for c in self.commands if isinstance(c, kind) and c.job_id == job_id])[-1]

    def wait_state(self, job_id, state, timeout_s=30):
        return self.wait_for(lambda: [t for t in self.told if (t.job_id, t.state) == (job_id, state)], timeout_s)[-1]

    def answer(self, start, state, cause=None, **fields):
        self.send(NODE_EVENTS, ContainerChanged(
            node_id=NODE, job_id=start.job_id, attempt=start.attempt, epoch=start.epoch, state=state,
            stop_cause=cause, started_at=now(), **fields))

    def close(self):
        for receiver in self._receivers:
            receiver.close()
        self.producer.close()
        self.bus.close()


@pytest.fixture
def world(kafka_server, mysql_server):
    migrate(mysql_server)
    made = World(kafka_server)
    made.node()
    yield made
    made.close()


@pytest.mark.parametrize("fixture", ["mysql_server", "mariadb_server"])
def test_migrations_run_twice_and_rounds_are_kept(fixture, request):
    server = request.getfixturevalue(fixture)
    migrate(server)
    assert "up to date" in migrate(server)
    database = database_of(server)
    alone = Deployment("s.1.0", 1, start_of("s.1.0", spec={"machine": "standalone", "cpus": 1.0}))
    alone = place(alone, Placing("n1", 0.25, (Told("n1", "chosen", jobs=0),)), now())
    waiting = Deployment("w.1.0", 1, start_of("w.1.0"), why_not={"n1": "ü"})
    intruder = place(waiting, Placing("n1", None, ()), now())
    ended = alone.changed(state=DeploymentState.ENDED, exit_code=3, ended_at=now(), detail="d" * 600)
    next_one = place(Deployment("s.2.0", 1, alone.command), Placing("n1", None, ()), now())

    def save(*deployments, is_new=False):
        work = Round(Fleet())
        for one in deployments:
            work.add(one) if is_new else work.put(one)
        with database.transaction() as transaction:
            store.save(transaction, work, now())

    def read(job_id):
        with database.transaction() as transaction:
            return store.attempts_of(transaction, [job_id, "none"])[job_id, 1]

    save(alone, waiting, is_new=True)
    assert (read("s.1.0"), read("w.1.0")) == (alone, waiting)
    with pytest.raises(store.StaleCacheError):
        save(waiting, is_new=True)
    with pytest.raises(store.IntruderError):
        save(intruder)
    with pytest.raises(store.StaleCacheError):
        save(next_one, is_new=True)
    assert read("w.1.0") == waiting
    save(ended)
    save(next_one, is_new=True)
    with database.transaction() as transaction:
        store.mark_told(transaction, {("s.1.0", 1): 3})
        store.mark_commanded(transaction, {("s.1.0", 1): 1})
        assert [row["job_id"] for row in transaction.all("untold")] == []
        transaction.execute("forget_ended", days=1)
    found = read("s.1.0")
    assert (found.state, found.exit_code, found.is_commanded) == ("ENDED", 3, True)
    assert (found.command, found.detail) == (alone.command, "d" * 500)
    database.close()


def test_a_job_is_placed_run_killed_and_told(world, kafka_server, mysql_server, tmp_path):
    job_id = f"a-{secrets.token_hex(3)}.1.0"
    with deployer(kafka_server, mysql_server, tmp_path) as process:
        world.send(JOB_COMMANDS, start_of(job_id))
        start = world.command(job_id)
        assert start.spec.command == ("a", "ü'\"\\%s\u2028")
        world.answer(start, ContainerState.RUNNING)
        assert world.wait_state(job_id, "RUNNING").load is not None
        world.send(JOB_COMMANDS, KillJob(job_id=job_id, attempt=1, reason=Reason.USER))
        world.command(job_id, StopContainer)
        world.answer(start, ContainerState.EXITED, StopCause.COMMAND, exit_code=143)
        assert world.wait_state(job_id, "CANCELLED").reason is Reason.USER
        assert resident_mb(process) < 120
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("failpoint", ["after_insert", "before_commit", "after_commit",
                                       "after_command", "after_tell"])
def test_a_crash_at_every_point_starts_each_job_once(
    failpoint, world, kafka_server, mysql_server, tmp_path
):
    job_id = f"c-{secrets.token_hex(3)}.1.0"
    with deployer(kafka_server, mysql_server, tmp_path) as process:
        first = f"warm-{secrets.token_hex(3)}.1.0"
        world.send(JOB_COMMANDS, start_of(first))
        world.answer(world.command(first), ContainerState.EXITED, exit_code=0)
        world.wait_state(first, "SUCCEEDED")
    with deployer(kafka_server, mysql_server, tmp_path,
                  ROTA_FAILPOINT=f"deployer.{failpoint}:crash@2") as process:
        world.send(JOB_COMMANDS, start_of(job_id))
        assert process.wait(30) == -signal.SIGKILL
    began = time.monotonic()
    with deployer(kafka_server, mysql_server, tmp_path):
        start = world.command(job_id)
        world.wait_state(job_id, "STARTING")
        assert time.monotonic() - began < 15
        world.answer(start, ContainerState.RUNNING)
        world.wait_state(job_id, "RUNNING")
        starts = [c for c in world.commands if isinstance(c, StartContainer) and c.job_id == job_id]
        assert {(one.id, one.epoch) for one in starts} == {(start.id, 1)}


def test_a_second_replica_takes_over_and_a_frozen_one_writes_no_more(
    world, kafka_server, mysql_server, tmp_path
):
    before, after = (f"{x}-{secrets.token_hex(3)}.1.0" for x in "ba")
    with deployer(kafka_server, mysql_server, tmp_path) as first:
        world.send(JOB_COMMANDS, start_of(before))
        world.wait_state(before, "STARTING")
        with deployer(kafka_server, mysql_server, tmp_path, "two"):
            time.sleep(3)
            first.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            world.send(JOB_COMMANDS, start_of(after))
            world.wait_state(after, "STARTING")
            assert time.monotonic() - began < 15
            first.send_signal(signal.SIGCONT)
            world.answer(world.command(after), ContainerState.RUNNING)
            world.wait_state(after, "RUNNING")
            time.sleep(3)
            assert first.poll() is None
            epochs = {(c.job_id, c.epoch) for c in world.commands if isinstance(c, StartContainer)}
            assert {(before, 1), (after, 1)} <= epochs
            assert not {(before, 2), (after, 2)} & epochs
