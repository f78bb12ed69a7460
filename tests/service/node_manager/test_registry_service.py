"""The node manager on memory doors."""

from datetime import UTC, datetime, timedelta

import pytest

from common.bus.memory import MemoryBus
from common.bus.receive import Receiver
from common.clock import ManualClock
from common.errors import Retryable
from common.messages import (
    NODE_HEARTBEATS,
    NODES,
    HeldImage,
    NodeChanged,
    NodeHeartbeat,
    NodeState,
    decode,
    encode,
    fixed_topics,
)
from node_manager.domain.node import Probe, Wish
from node_manager.service import Doors, Registry
from node_manager.store import Request

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class MemoryNodeStore:
    def __init__(self):
        self.rows = {}
        self.is_down = False
        self.asked = []
        self.images = []

    def requests(self, after):
        self._check()
        latest = {one.node_id: one for one in self.asked if one.request_id > after}
        return sorted(latest.values(), key=lambda one: one.request_id)

    def load(self, heard_at):
        self._check()
        from dataclasses import replace
        return [replace(node, heard_at=heard_at) for node in self.rows.values()]

    def save_images(self, node_id, images):
        self._check()
        self.images.append((node_id, images))

    def save(self, nodes):
        self._check()
        self.rows |= {node.node_id: node for node in nodes}

    def _check(self):
        if self.is_down:
            raise Retryable("MySQL is down")


class FixedProber:
    def __init__(self, answer):
        self.answer = answer

    def probe(self, node_ids):
        return dict.fromkeys(node_ids, self.answer)


class Bench:
    def __init__(self):
        self.clock = ManualClock(NOW)
        self.bus = MemoryBus(self.clock)
        self.bus.create_topics(fixed_topics())
        self.store = MemoryNodeStore()
        self.prober = FixedProber(Probe.UNCONFIGURED)
        self.sequence = 0
        self.restart()

    def restart(self):
        self.producer = self.bus.producer()
        doors = Doors(self.store, self.bus, self.producer, self.clock)
        self.registry = Registry(doors, self.prober)
        self.receiver = Receiver(self.bus, self.producer, "node-manager", NODE_HEARTBEATS,
                                 self.registry.hear)
        self.receiver.wake()

    def beat(self, node_id, **fields):
        self.sequence += 1
        fields.setdefault("boot_id", "b1")
        message = NodeHeartbeat(node_id=node_id, sequence=self.sequence, log_port=1, cpus=2.0,
                                address=f"10.0.0.{node_id[1:]}", memory_bytes=1, **fields)
        self.producer.send(NODE_HEARTBEATS, node_id, encode(message)).wait(1)

    def step(self):
        self.receiver.wake()
        self.registry.run_once(self.receiver)

    def pass_time(self, seconds, alive=()):
        for second in range(seconds):
            self.clock.advance(timedelta(seconds=1))
            if second % 5 == 0:
                for node_id in alive:
                    self.beat(node_id)
            self.registry.probe_once()
            self.step()

    def told(self, node_id):
        found = [decode(NODES, record.value) for record in self.bus.records(NODES)]
        return [one for one in found if isinstance(one, NodeChanged) and one.node_id == node_id]

    def state(self, node_id):
        return self.told(node_id)[-1].state


@pytest.fixture
def bench():
    return Bench()


def test_a_heard_node_is_saved_and_told_once(bench):
    bench.beat("m1")
    bench.step()
    bench.beat("m1")
    bench.step()
    assert bench.store.rows["m1"].state is NodeState.ACTIVE
    assert [one.revision for one in bench.told("m1")] == [1]


def test_silence_leads_to_suspect_then_lost_then_back(bench):
    bench.beat("m1")
    bench.beat("m2")
    bench.pass_time(70, alive=["m1", "m2"])
    bench.pass_time(15, alive=["m1"])
    assert bench.state("m2") is NodeState.SUSPECT
    bench.pass_time(20, alive=["m1"])
    assert (bench.state("m1"), bench.state("m2")) == (NodeState.ACTIVE, NodeState.LOST)
    bench.pass_time(1, alive=["m1", "m2"])
    assert bench.state("m2") is NodeState.SUSPECT
    bench.pass_time(11, alive=["m1", "m2"])
    assert bench.state("m2") is NodeState.ACTIVE
    revisions = [one.revision for one in bench.told("m2")]
    assert revisions == sorted(set(revisions))


def test_a_machine_that_answers_the_probe_is_not_lost(bench):
    bench.prober.answer = Probe.ALIVE
    bench.beat("m1")
    bench.pass_time(70, alive=["m1"])
    bench.pass_time(60)
    assert bench.state("m1") is NodeState.SUSPECT
    bench.prober.answer = Probe.SILENT
    bench.pass_time(2)
    assert bench.state("m1") is NodeState.LOST


def test_after_its_own_restart_nobody_is_lost_for_a_minute_and_all_are_told_again(bench):
    bench.beat("m1")
    bench.step()
    bench.clock.advance(timedelta(hours=1))
    bench.restart()
    bench.pass_time(59)
    assert bench.state("m1") is NodeState.SUSPECT
    assert [one.revision for one in bench.told("m1")] == [1, 1, 2]
    bench.pass_time(3)
    assert bench.state("m1") is NodeState.LOST


def ask(bench, node_id, wish, drain=None):
    bench.store.asked.append(Request(len(bench.store.asked) + 1, node_id, wish, drain))


def test_operators_wishes_are_taken_up_within_a_second_and_outlive_a_restart(bench):
    bench.pass_time(6, alive=["m1", "m2"])
    ask(bench, "m1", Wish.DRAINING, "force")
    bench.pass_time(1)
    assert (bench.state("m1"), bench.told("m1")[-1].drain) == (NodeState.DRAINING, "force")
    assert bench.state("m2") is NodeState.ACTIVE
    bench.restart()
    bench.pass_time(6, alive=["m1", "m2"])
    assert bench.state("m1") is NodeState.DRAINING
    assert [one.revision for one in bench.told("m1")] == [1, 2, 2]
    ask(bench, "m1", Wish.NONE)
    bench.pass_time(6, alive=["m1", "m2"])
    assert bench.state("m1") is NodeState.ACTIVE


def test_a_wish_for_a_node_yet_to_come_waits_for_it(bench):
    ask(bench, "m9", Wish.DRAINING, "wait")
    bench.pass_time(2)
    bench.beat("m9")
    bench.step()
    assert bench.state("m9") is NodeState.DRAINING


def test_a_node_whose_clock_is_an_hour_ahead_gets_nothing_new(bench):
    bench.beat("m1", time=NOW + timedelta(hours=1))
    bench.step()
    assert bench.told("m1")[-1].reason == "its clock is over 2 s ahead"
    bench.beat("m1", time=NOW)
    bench.beat("m1", time=NOW)
    bench.beat("m1", time=NOW)
    bench.step()
    assert bench.state("m1") is NodeState.ACTIVE


def test_an_outage_of_kafka_is_not_the_nodes_fault(bench):
    bench.beat("m1")
    bench.pass_time(70, alive=["m1"])
    bench.bus.available = False
    for _ in range(100):
        bench.clock.advance(timedelta(seconds=1))
        with pytest.raises(Retryable):
            bench.step()
    bench.bus.available = True
    bench.pass_time(10)
    assert bench.state("m1") is NodeState.ACTIVE


def test_mass_loss_is_frozen_and_shown(bench):
    names = ["m1", "m2", "m3"]
    bench.pass_time(70, alive=names)
    bench.pass_time(60, alive=["m3"])
    assert bench.registry.frozen() == "2 of 3 nodes fell silent together: none is declared lost"
    assert bench.registry.figures()[NodeState.LOST] == 0


def test_what_mysql_did_not_take_is_not_told_before_it_did(bench):
    bench.step()
    bench.store.is_down = True
    bench.beat("m1")
    with pytest.raises(Retryable):
        bench.step()
    assert bench.told("m1") == []
    bench.store.is_down = False
    bench.step()
    assert bench.state("m1") is NodeState.ACTIVE


def test_images_are_saved_when_they_change_and_a_silent_word_changes_nothing(bench):
    first = (HeldImage(name="shop/heating:1", id="sha256:aa"),)
    for images in (first, None, first, ()):
        bench.beat("m1", images=images)
        bench.step()
    assert bench.store.images == [("m1", first), ("m1", ())]


def test_images_that_mysql_did_not_take_are_saved_later(bench):
    bench.pass_time(5, alive=["m1"])
    bench.store.is_down = True
    bench.beat("m1", images=(HeldImage(name="shop/heating:1", id="sha256:aa"),))
    with pytest.raises(Retryable):
        bench.step()
    bench.store.is_down = False
    bench.step()
    assert len(bench.store.images) == 1
