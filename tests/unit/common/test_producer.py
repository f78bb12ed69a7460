"""A producer whose driver neither sends nor fails: what a connection without packets leads to."""

from types import SimpleNamespace

import pytest
from kafka.errors import KafkaTimeoutError

from common.bus import BusUnavailableError
from common.bus.kafka import producer as room
from common.bus.kafka.producer import STUCK_AFTER_S, KafkaProducer


class Future:
    is_done = False

    def __init__(self, gets_through):
        self.gets_through = gets_through

    def get(self, timeout_s):
        if not self.gets_through:
            raise KafkaTimeoutError(f"Timeout after waiting for {timeout_s} secs.")


class Driver:
    def __init__(self):
        self.is_cut_off = False
        self.is_closed = False

    def send(self, *_, **__):
        return Future(not self.is_cut_off)

    def close(self, **_):
        self.is_closed = True


@pytest.fixture
def world(monkeypatch):
    made, seconds = [], [0.0]

    def build(*_, **__):
        made.append(Driver())
        return made[-1]

    monkeypatch.setattr(room, "build", build)
    admin = SimpleNamespace(partition_count=lambda _: 1)
    producer = KafkaProducer({}, admin, lambda: seconds[0])
    return SimpleNamespace(made=made, seconds=seconds, producer=producer)


def send_in_vain(world):
    with pytest.raises(BusUnavailableError):
        world.producer.send("t", "k", b"v").wait(5.0)


def test_a_client_that_gets_nothing_through_is_replaced(world):
    world.producer.send("t", "k", b"v").wait(5.0)
    world.made[0].is_cut_off = True
    send_in_vain(world)
    world.seconds[0] += STUCK_AFTER_S
    assert len(world.made) == 1
    send_in_vain(world)
    assert world.made[0].is_closed
    world.producer.send("t", "k", b"v").wait(5.0)
    assert len(world.made) == 2


def test_what_gets_through_in_between_begins_anew(world):
    world.producer.send("t", "k", b"v").wait(5.0)
    for _ in range(3):
        world.made[0].is_cut_off = True
        send_in_vain(world)
        world.seconds[0] += STUCK_AFTER_S
        world.made[0].is_cut_off = False
        world.producer.send("t", "k", b"v").wait(5.0)
    assert len(world.made) == 1
