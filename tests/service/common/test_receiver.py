"""Receiver and heartbeat monitor on the memory bus."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from common.bus import BusUnavailableError, Partition, TopicSpec
from common.bus.memory import Fault, MemoryBus
from common.bus.receive import Receiver, TopicMissingError
from common.clock import ManualClock
from common.errors import Permanent
from common.heartbeat import HeartbeatMonitor
from common.jobs import shard_of
from common.messages import (
    APP_INSTANCES,
    SERVICE_HEARTBEATS,
    InstanceChanged,
    ServiceHeartbeat,
    encode,
    fixed_topics,
)

DLQ = "app.instances.dlq"
START = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.fixture
def bus():
    made = MemoryBus(ManualClock(START))
    made.create_topics(fixed_topics())
    return made


class Handler:
    """Keeps the ids it was given; fails as told."""

    def __init__(self):
        self.seen = []
        self.errors = []
        self.poison = {}

    def __call__(self, batch):
        if self.errors:
            raise self.errors.pop(0)
        for message, _record in batch:
            if message.instance_id in self.poison:
                raise self.poison[message.instance_id]
        self.seen += [message.instance_id for message, _record in batch]


@pytest.fixture
def handler():
    return Handler()


def receiver_of(bus, handler, group="g", source=APP_INSTANCES):
    return Receiver(bus, bus.producer(), group, source, handler)


def send(bus, *instance_ids):
    for instance_id in instance_ids:
        bus.producer().send(APP_INSTANCES, "same", encode(InstanceChanged(instance_id=instance_id)))


def committed(bus, group="g"):
    return bus.committed(group, Partition(APP_INSTANCES, shard_of("same")))


def test_messages_are_handled_and_committed(bus, handler):
    send(bus, "a", "b")
    receiver = receiver_of(bus, handler)
    assert receiver.run_once(0) == 2
    assert receiver.run_once(0) == 0
    assert handler.seen == ["a", "b"]
    assert committed(bus) == 2


def test_the_bare_public_message_is_enough(bus, handler):
    bus.producer().send(APP_INSTANCES, None, b'{"instance_id": "hostel-a-heating"}')
    receiver_of(bus, handler).run_once(0)
    assert handler.seen == ["hostel-a-heating"]


@pytest.mark.parametrize("value", [b"not json", b"\xff\x00", b'{"version": 9, "instance_id": "a"}',
                                   b'{"type": "Other", "instance_id": "a"}', b"", b"[]"])
def test_what_cannot_be_read_goes_to_the_dead_letter_and_stops_nobody(bus, handler, value):
    send(bus, "a")
    bus.producer().send(APP_INSTANCES, "same", value)
    send(bus, "b")
    receiver_of(bus, handler).run_once(0)
    assert handler.seen == ["a", "b"]
    assert committed(bus) == 3
    [dead] = bus.records(DLQ)
    letter = json.loads(dead.value)
    assert letter["error"].startswith("UnreadableMessageError: ")
    assert (letter["topic"], letter["offset"], letter["key"]) == (APP_INSTANCES, 1, "same")
    is_binary = letter.get("encoding") == "base64"
    assert (base64.b64decode(letter["value"]) if is_binary else letter["value"].encode()) == value


def test_a_retryable_error_brings_the_same_batch_again(bus, handler):
    send(bus, "a", "b")
    handler.errors = [BusUnavailableError("database away")]
    receiver = receiver_of(bus, handler)
    with pytest.raises(BusUnavailableError):
        receiver.run_once(0)
    assert committed(bus) is None
    receiver.run_once(0)
    assert handler.seen == ["a", "b"]
    assert bus.records(DLQ) == []


@pytest.mark.parametrize("error", [Permanent("no such thing"), ValueError("bug")])
def test_only_the_offender_of_a_batch_goes_to_the_dead_letter(bus, handler, error):
    send(bus, "a", "bad", "b")
    handler.poison = {"bad": error}
    receiver_of(bus, handler).run_once(0)
    assert handler.seen == ["a", "b"]
    [dead] = bus.records(DLQ)
    assert json.loads(json.loads(dead.value)["value"])["instance_id"] == "bad"
    assert committed(bus) == 3


def test_a_few_offenders_among_many_cost_a_few_hand_overs(bus, handler):
    names = [f"i{number}" for number in range(500)]
    handler.poison = {name: ValueError("bug") for name in names[50::100]}
    for name in names:
        bus.producer().send(APP_INSTANCES, "same", encode(InstanceChanged(instance_id=name)))
    calls = []
    receiver = receiver_of(bus, lambda batch: (calls.append(len(batch)), handler(batch)))
    receiver.run_once(0)
    assert sorted(handler.seen) == sorted(set(names) - set(handler.poison))
    assert len(bus.records(DLQ)) == 5
    assert len(calls) < 100


def test_a_dead_letter_that_cannot_be_sent_is_tried_again(bus, handler):
    bus.producer().send(APP_INSTANCES, "same", b"junk")
    bus.inject(Fault.REFUSE, DLQ)
    receiver = receiver_of(bus, handler)
    with pytest.raises(BusUnavailableError):
        receiver.run_once(0)
    receiver.run_once(0)
    assert len(bus.records(DLQ)) == 1
    assert committed(bus) == 1


def test_without_a_dead_letter_topic_reading_goes_on(handler):
    bus = MemoryBus()
    bus.create_topics([TopicSpec(APP_INSTANCES, 16)])
    bus.producer().send(APP_INSTANCES, "same", b"junk")
    send(bus, "a")
    receiver_of(bus, handler).run_once(0)
    assert handler.seen == ["a"]


def test_a_failed_commit_is_made_up_for(bus, handler):
    send(bus, "a")
    receiver = receiver_of(bus, handler)

    def lose_the_broker(batch):
        handler(batch)
        bus.available = False

    receiver.handle = lose_the_broker
    with pytest.raises(BusUnavailableError):
        receiver.run_once(0)
    bus.available = True
    receiver.handle = handler
    receiver.run_once(0)
    assert handler.seen == ["a"]
    assert committed(bus) == 1


def test_a_topic_that_is_not_there_yet_is_waited_for(handler):
    bus = MemoryBus()
    receiver = receiver_of(bus, handler)
    with pytest.raises(TopicMissingError):
        receiver.run_once(0)
    bus.create_topics(fixed_topics())
    send(bus, "a")
    receiver.run_once(0)
    assert handler.seen == ["a"]


def test_caught_up_means_all_that_was_there_at_the_start(bus, handler):
    send(bus, *map(str, range(600)))
    receiver = receiver_of(bus, handler, group=None)
    assert not receiver.caught_up()
    receiver.run_once(0)
    assert not receiver.caught_up()
    receiver.run_once(0)
    assert receiver.caught_up()
    send(bus, "later")
    assert receiver.caught_up()


def test_an_empty_topic_is_caught_up_after_one_run(bus, handler):
    receiver = receiver_of(bus, handler, group=None)
    receiver.run_once(0)
    assert receiver.caught_up()


def test_only_assigned_partitions_are_read_and_each_from_its_commit(bus, handler):
    send(bus, "a")
    home, other = shard_of("same"), (shard_of("same") + 1) % 16
    receiver = receiver_of(bus, handler, source=[Partition(APP_INSTANCES, other)])
    receiver.run_once(0)
    assert handler.seen == []
    receiver.assign([Partition(APP_INSTANCES, home)])
    assert not receiver.caught_up()
    receiver.run_once(0)
    assert handler.seen == ["a"]
    receiver.assign([])
    send(bus, "b")
    receiver.run_once(0)
    receiver.assign([Partition(APP_INSTANCES, home)])
    receiver.run_once(0)
    assert handler.seen == ["a", "b"]


def test_without_a_group_every_start_replays(bus, handler):
    send(bus, "a")
    for _ in range(2):
        receiver_of(bus, handler, group=None).run_once(0)
    assert handler.seen == ["a", "a"]


def test_the_heartbeat_monitor_knows_the_age_of_each_replica():
    clock = ManualClock(START)
    bus = MemoryBus(clock)
    bus.create_topics(fixed_topics())
    monitor = HeartbeatMonitor(bus, bus.producer())

    def beat(service, replica):
        heartbeat = ServiceHeartbeat(service=service, replica=replica, host="h", build="1",
                                     started_at=START)
        bus.producer().send(SERVICE_HEARTBEATS, f"{service}/{replica}", encode(heartbeat))

    beat("scheduler", "1")
    beat("scheduler", "2")
    clock.advance(timedelta(seconds=7))
    beat("scheduler", "2")
    monitor.wake()
    monitor.run_once()
    ages = [(h.service, h.replica, age) for h, age in monitor.services(clock.now())]
    assert ages == [("scheduler", "1", 7.0), ("scheduler", "2", 0.0)]
    clock.advance(timedelta(hours=1, seconds=-3))
    assert [h.replica for h, _ in monitor.services(clock.now())] == ["2"]
