"""Thousands of random interleavings: a stop wins in every order, and no job runs in two places.

Worlds of a thousand jobs each, seeded: two of them here, ROTA_INTERLEAVING_WORLDS=10 for all; the
rules alone see ten thousand orders in tests/unit/deployment_manager. Every job has its own random script of starts (also
doubled), kills (some before their start), a policy, and a client's whims; nodes are lost and return,
the deployment manager is killed and restarted in between. The clients here obey as the real one
does (node_manager.client): they keep what they were told, and a stop holds for its epoch.
"""

import os
import random
from dataclasses import dataclass, field
from zlib import crc32

import pytest

from common.messages import (
    ContainerState,
    NodeState,
    StartContainer,
    StopCause,
    decode,
    node_commands,
)
from tests.service.deployment_manager.bench import Bench

JOBS, TURNS = 1000, 40
WORLDS = int(os.environ.get("ROTA_INTERLEAVING_WORLDS", "2"))
NODES = ("m1", "m2", "m3")
TERMINAL = {"SUCCEEDED", "FAILED", "CANCELLED", "MISSED", "LOST", "ENDED"}


@dataclass
class Attempt:
    """What a client remembers of one attempt."""

    start: StartContainer | None = None
    revoked: int = -1
    is_running: bool = False
    end: tuple | None = None
    inbox: list = field(default_factory=list)


class Client:
    """One machine, as obedient and as slow as a real one."""

    def __init__(self, bench, node, running):
        self.bench, self.node, self.running = bench, node, running
        self.attempts, self.read, self.is_cut_off, self.patience = {}, 0, False, 0.5

    def work(self, rng, patience):
        """Take commands from the topic, in order; obey some, later the others."""
        if self.is_cut_off:
            return
        records = self.bench.bus.records(node_commands(self.node))
        for record in records[self.read :]:
            command = decode(node_commands(self.node), record.value)
            self.attempts.setdefault(command.job_id, Attempt()).inbox.append(command)
        self.read = len(records)
        for job_id, attempt in self.attempts.items():
            while attempt.inbox and rng.random() < patience:
                self.obey(job_id, attempt, attempt.inbox.pop(0))
            if attempt.is_running and rng.random() < 0.1 * patience:
                self.end(job_id, attempt, None)

    def obey(self, job_id, attempt, command):
        if isinstance(command, StartContainer):
            self.start(job_id, attempt, command)
            return
        attempt.revoked = max(attempt.revoked, command.epoch)
        if attempt.is_running and attempt.start.epoch <= attempt.revoked:
            self.end(job_id, attempt, StopCause.COMMAND)
        elif attempt.end is not None:
            self.bench.report(command, ContainerState.EXITED, attempt.end[0], exit_code=attempt.end[1])
        elif not attempt.is_running:
            self.bench.report(command, ContainerState.GONE, StopCause.COMMAND, started_at=None)

    def start(self, job_id, attempt, command):
        known = attempt.start.epoch if attempt.start else -1
        if command.epoch < known:
            return
        is_again = command.epoch == known
        attempt.start = command
        if command.epoch <= attempt.revoked:
            self.bench.report(command, ContainerState.REFUSED, StopCause.COMMAND, started_at=None)
        elif attempt.end is not None and not is_again and attempt.end[0] is StopCause.COMMAND:
            attempt.end = None
            self.run(job_id, attempt, command)
        elif attempt.end is not None:
            self.bench.report(command, ContainerState.EXITED, attempt.end[0], exit_code=attempt.end[1])
        elif attempt.is_running:
            self.bench.runs(command)
        else:
            self.run(job_id, attempt, command)

    def run(self, job_id, attempt, command):
        assert job_id not in self.running, f"{job_id} runs on {self.running[job_id]} and {self.node}"
        self.running[job_id] = self.node
        attempt.is_running = True
        self.bench.runs(command)

    def end(self, job_id, attempt, cause):
        attempt.is_running = False
        del self.running[job_id]
        attempt.end = (cause, 0 if cause is None else 143)
        self.bench.ends(attempt.start, attempt.end[1], cause)

    def beat(self):
        if not self.is_cut_off:
            starts = [one.start for one in self.attempts.values() if one.is_running]
            self.bench.beat(self.node, *starts)


class World:
    def __init__(self, seed):
        self.rng, self.bench, self.running = random.Random(seed), Bench(), {}
        self.clients = {name: Client(self.bench, name, self.running) for name in NODES}
        self.killed = set()
        for name in NODES:
            self.bench.node(name, cpus=1000.0, memory_bytes=1 << 50)
        self.scripts = {f"j{number}.1.0": self.script() for number in range(JOBS)}

    def script(self):
        steps = ["start", *(["start"] * self.rng.randint(0, 2)), *(["kill"] * self.rng.randint(0, 2))]
        self.rng.shuffle(steps)
        return steps

    def play(self):
        for _ in range(TURNS):
            self.turn()
        for job_id, steps in self.scripts.items():
            for step in steps:
                self.send(job_id, step)
        for name in NODES:
            self.come_back(name)
        for _ in range(14):
            self.bench.pass_time(6)
            for client in self.clients.values():
                client.work(self.rng, 1.1)
                client.beat()
            self.bench.step()

    def turn(self):
        for job_id, steps in self.scripts.items():
            if steps and self.rng.random() < 8 / TURNS:
                self.send(job_id, steps.pop(0))
        whim = self.rng.random()
        if whim < 0.15:
            self.bench.restart(f"r{self.rng.random()}")
            self.bench.pass_time(9)
        elif whim < 0.3:
            self.go_away(self.rng.choice(NODES))
        elif whim < 0.5:
            self.come_back(self.rng.choice(NODES))
        for client in self.clients.values():
            if self.rng.random() < 0.2:  # a client may be busy for a while, and its heart still beats
                client.patience = self.rng.choice((0.0, 0.0, 0.1, 0.9))
            client.work(self.rng, client.patience)
            client.beat()
        self.bench.pass_time(self.rng.choice((0, 1, 5, 20)))
        self.bench.step()

    def send(self, job_id, step):
        if step == "kill":
            self.killed.add(job_id)
            self.bench.kill(job_id)
        else:
            policy = ("wait", "fail", "reschedule")[crc32(job_id[1:4].encode()) % 3]
            self.bench.start(job_id, on_node_lost=policy, instance_id=job_id.partition(".")[0])

    def go_away(self, name):
        if not self.clients[name].is_cut_off:
            self.clients[name].is_cut_off = True
            self.bench.node(name, NodeState.LOST, load=None, cpus=1000.0, memory_bytes=1 << 50)

    def come_back(self, name):
        if self.clients[name].is_cut_off:
            self.clients[name].is_cut_off = False
            self.bench.node(name, cpus=1000.0, memory_bytes=1 << 50)


@pytest.mark.parametrize("seed", range(WORLDS))
def test_a_stop_wins_in_every_order_and_no_job_runs_twice_at_once(seed):
    world = World(seed)
    world.play()
    rows = {row["job_id"]: row for row in world.bench.database.rows().values()}
    assert set(rows) == set(world.scripts)
    for job_id in world.killed:
        assert rows[job_id]["state"] in TERMINAL, rows[job_id]
        assert job_id not in world.running
    for job_id, node in world.running.items():
        assert (rows[job_id]["state"], rows[job_id]["node"]) == ("RUNNING", node), rows[job_id]
    unfinished = {row["state"] for row in rows.values()} - TERMINAL - {"RUNNING"}
    assert not unfinished, [row for row in rows.values() if row["state"] in unfinished][:3]
    for job_id, row in rows.items():
        revisions = [one.revision for one in world.bench.told(job_id)]
        assert max(revisions) == row["revision"] == row["told_revision"]
