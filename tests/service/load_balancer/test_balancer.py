"""The load balancer on memory doors: what each kind of machine leads to, and that none delays others."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from common.bus.memory import MemoryBus
from common.bus.receive import Receiver
from common.clock import ManualClock
from common.machines import Machine
from common.messages import (
    NODE_LOADS,
    NODES,
    NodeChanged,
    NodeState,
    decode,
    encode,
    fixed_topics,
)
from common.ssh import SshResult, SshUnreachableError
from common.ssh.memory import MemoryDoor
from load_balancer.sampler import (
    HUNG_AFTER_S,
    LocalProbe,
    MachineSampler,
    MachineState,
    SshProbe,
    target_of,
)
from load_balancer.service import Balancer, MachineMap

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Counters:
    """A machine's /proc: each answer has so many more ticks."""

    def __init__(self, busy=30, idle=70, available=750):
        self.step, self.available, self.total = (busy, idle), available, [100, 100]

    def __call__(self, payload):
        self.total = [self.total[0] + self.step[0], self.total[1] + self.step[1]]
        cpu = f"cpu  {self.total[0]} 0 0 {self.total[1]} 0 0 0 0 0 0"
        return f"{cpu}\nMemTotal: 1000\nMemAvailable: {self.available}\n.\n".encode()


class Bench:
    def __init__(self, folder):
        self.clock = ManualClock(NOW)
        self.bus = MemoryBus(self.clock)
        self.bus.create_topics(fixed_topics())
        self.door = MemoryDoor()
        self.path = folder / "platform.json"
        self.names = []
        self.producer = self.bus.producer()
        self.balancer = Balancer(
            MachineMap(str(self.path)), lambda machine: SshProbe(self.door, target_of(machine, "rota-sampler", "key")),
            self.producer, self.clock)
        self.nodes = Receiver(self.bus, self.producer, None, NODES, self.balancer.receive)

    def machine(self, name, answer=None, **fields):
        made = self.door.add(f"host-{name}", **fields)
        made.stream_with(answer or Counters())
        self.names.append(name)
        self.path.write_text(json.dumps({"machines": [
            {"name": n, "address": f"host-{n}", "host_key": "SHA256:memory"} for n in self.names]}))
        self.tell(name)
        return made

    def tell(self, name, state=NodeState.ACTIVE):
        self.producer.send(NODES, name, encode(NodeChanged(
            node_id=name, state=state, revision=1, boot_id="b", address="a", log_port=1, cpus=1,
            memory_bytes=1, since=NOW)))

    def sweep(self, *names):
        """Sweep, and wait for a sample of each of these."""
        self.nodes.wake()
        self.nodes.run_once(0)
        before = {name: len(self.loads(name)) for name in names}
        self.balancer.sweep()
        for name in names:
            self.wait(lambda name=name: len(self.loads(name)) > before[name])
        self.clock.advance(timedelta(seconds=2))

    def wait(self, is_true):
        consumer = self.bus.consumer(None)
        consumer.assign(self.bus.partitions_of(NODE_LOADS))
        for _ in range(200):
            if is_true():
                return
            consumer.poll(0.05)
        raise AssertionError(self.bus.records(NODE_LOADS)[-3:])

    def loads(self, name):
        found = [decode(NODE_LOADS, record.value) for record in self.bus.records(NODE_LOADS)]
        return [one for one in found if one.node_id == name]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.balancer.close()


def test_load_comes_with_the_second_reading_and_carries_its_age(bench):
    bench.machine("m1")
    bench.sweep("m1")
    assert bench.loads("m1")[0].load is None
    assert "two" in bench.loads("m1")[0].error
    bench.sweep("m1")
    load = bench.loads("m1")[-1]
    assert (load.cpu, load.ram, load.load) == (pytest.approx(0.3), pytest.approx(0.25), pytest.approx(0.2727, abs=1e-4))
    assert load.sampled_at == NOW + timedelta(seconds=2)


def test_one_kept_connection_and_one_resident_loop_serve_all_sweeps(bench):
    machine = bench.machine("m1")
    for _ in range(5):
        bench.sweep("m1")
    assert [call.argv for call in machine.calls] == [()]


def test_a_machine_without_a_resident_loop_is_asked_by_exec(bench):
    counters = Counters()

    def refuse(payload):
        raise SshUnreachableError("the remote command ended")

    machine = bench.machine("m1", refuse)
    machine.play(answer=lambda argv, stdin: SshResult(0, counters(stdin), b""))
    bench.sweep("m1")
    bench.sweep("m1")
    assert bench.loads("m1")[-1].cpu == pytest.approx(0.3)


def hang(payload):
    return b""


BAD = {
    "unreachable": ({}, lambda m: setattr(m, "is_reachable", False)),
    "changed key": ({"host_key": "SHA256:other"}, lambda m: None),
    "refuses our key": ({}, lambda m: setattr(m, "users", {"root"})),
    "accepts then silent": ({}, lambda m: m.stream_with(hang)),
    "says nonsense": ({}, lambda m: m.stream_with(lambda _: b"hello\n.\n")),
    "floods": ({}, lambda m: m.stream_with(lambda _: b"x" * 100_000)),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_machine_is_told_as_such_and_delays_nobody(bench, kind):
    fields, spoil = BAD[kind]
    spoil(bench.machine("bad", **fields))
    bench.machine("m1")
    for _ in range(3):
        bench.sweep("m1")
    bench.wait(lambda: bench.loads("bad"))
    assert bench.loads("bad")[-1].load is None
    assert bench.loads("bad")[-1].error
    assert bench.loads("m1")[-1].cpu == pytest.approx(0.3)


def test_to_a_machine_with_a_changed_key_nothing_is_sent(bench):
    machine = bench.machine("bad", host_key="SHA256:other")
    bench.sweep("bad")
    assert machine.calls == []
    assert "nothing was sent" in bench.loads("bad")[-1].error


def test_nodes_that_are_lost_or_removed_are_not_sampled_any_more(bench):
    bench.machine("m1")
    bench.machine("m2")
    bench.sweep("m1", "m2")
    bench.tell("m1", NodeState.LOST)
    for _ in range(3):
        bench.sweep("m2")
    assert len(bench.loads("m1")) == 1


def test_a_broken_map_keeps_the_last_good_one(bench):
    bench.machine("m1")
    bench.sweep("m1")
    bench.path.write_text("{")
    bench.sweep("m1")
    bench.path.unlink()
    bench.sweep("m1")


def test_the_same_error_is_not_said_every_time(bench):
    for _ in range(20):
        bench.balancer._report("m1", MachineState("m1", _Broken("no"), bench.clock).sample())
        bench.clock.advance(timedelta(seconds=1))
    assert len(bench.loads("m1")) == 2


class _Broken:
    def __init__(self, words):
        self.words = words

    def read(self):
        raise SshUnreachableError(self.words)

    def close(self):
        pass


def test_a_machine_that_is_down_is_left_alone_longer_each_time_with_jitter():
    states = [MachineState("m1", _Broken("no"), ManualClock(NOW)) for _ in range(20)]
    longest = []
    for count in (1, 2, 3, 10):
        while states[0]._failures < count:
            for state in states:
                state.sample()
        pauses = [state.pause_s() for state in states]
        assert len(set(pauses)) > 10
        longest.append(max(pauses))
    assert longest == sorted(longest)
    assert longest[0] <= 2.0
    assert longest[-1] <= 30.0


def test_after_an_error_the_cpu_is_not_averaged_over_the_gap(bench):
    machine = bench.machine("m1")
    target = target_of(Machine("m1", "host-m1", 22, "SHA256:memory"), "rota-sampler", "key")
    state = MachineState("m1", SshProbe(bench.door, target), bench.clock)
    state.sample()
    assert state.sample().cpu == pytest.approx(0.3)
    machine.is_reachable = False
    assert state.sample().error
    machine.is_reachable = True
    assert state.sample().cpu is None
    assert state.sample().cpu == pytest.approx(0.3)


def test_a_sample_that_hangs_is_broken_off_from_outside():
    clock, reports = ManualClock(NOW), []
    done, asked, closed = threading.Event(), threading.Event(), threading.Event()

    class Hanging:
        def read(self):
            asked.set()
            closed.wait(10)
            raise SshUnreachableError("closed from outside")

        def close(self):
            closed.set()

    def report(name, sample):
        reports.append(sample)
        done.set()

    sampler = MachineSampler("m1", Hanging(), clock, report)
    sampler.ask()
    assert asked.wait(5)
    assert not sampler.break_off()
    clock.advance(timedelta(seconds=HUNG_AFTER_S + 1))
    assert sampler.break_off()
    assert done.wait(5)
    assert reports[0].error == "closed from outside"
    assert not sampler.break_off()
    sampler.stop()


def test_the_services_own_machine_is_read_without_ssh(tmp_path):
    (tmp_path / "stat").write_bytes(b"cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1\n")
    (tmp_path / "meminfo").write_bytes(b"MemTotal: 100 kB\nMemFree: 1 kB\nMemAvailable: 40 kB\n")
    reading = LocalProbe(str(tmp_path)).read()
    assert (reading.busy, reading.total, reading.ram) == (27, 36, pytest.approx(0.6))
