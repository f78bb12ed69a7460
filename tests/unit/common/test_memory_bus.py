"""The faults that the memory bus plays."""

import pytest

from common.bus import BusUnavailableError, Partition, TopicSpec
from common.bus.memory import Fault, MemoryBus


@pytest.fixture
def bus():
    made = MemoryBus()
    made.create_topics([TopicSpec("t")])
    return made


def send(bus, value):
    bus.producer().send("t", "k", value).wait(1)


def values(bus):
    return [record.value for record in bus.records("t")]


@pytest.mark.parametrize(("fault", "stored", "is_told"), [
    (Fault.REFUSE, 0, True), (Fault.LOSE_ACK, 1, True), (Fault.DROP, 0, False),
    (Fault.DUPLICATE, 2, False)])
def test_each_fault_stores_and_tells_what_it_says(bus, fault, stored, is_told):
    bus.inject(fault, "t")
    if is_told:
        with pytest.raises(BusUnavailableError):
            send(bus, b"1")
    else:
        send(bus, b"1")
    assert values(bus) == [b"1"] * stored
    send(bus, b"2")
    assert values(bus)[-1] == b"2"


def test_a_delayed_record_comes_after_the_next(bus):
    bus.inject(Fault.DELAY, "t")
    send(bus, b"1")
    send(bus, b"2")
    assert values(bus) == [b"2", b"1"]
    bus.inject(Fault.DELAY, "t")
    send(bus, b"3")
    bus.release("t")
    assert values(bus) == [b"2", b"1", b"3"]


def test_an_outage_fails_every_call_and_wakes_readers(bus):
    consumer = bus.consumer("g")
    consumer.assign(bus.partitions_of("t"))
    bus.available = False
    for call in (lambda: send(bus, b"1"), lambda: consumer.poll(10), lambda: bus.ping(1),
                 lambda: consumer.commit({Partition("t", 0): 1})):
        with pytest.raises(BusUnavailableError):
            call()
    bus.available = True
    send(bus, b"1")
    assert len(consumer.poll(0)) == 1


def test_forgotten_commits_replay(bus):
    send(bus, b"1")
    first = bus.consumer("g")
    first.assign(bus.partitions_of("t"))
    first.poll(0)
    first.commit({Partition("t", 0): 1})
    bus.forget_commits("g")
    again = bus.consumer("g")
    again.assign(bus.partitions_of("t"))
    assert len(again.poll(0)) == 1
