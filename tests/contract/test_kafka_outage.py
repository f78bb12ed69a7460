"""What the Kafka door promises while its broker is away. (What the memory twin cannot show.)"""

import contextlib
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from common.bus import BusUnavailableError, Partition, StuckConsumerError, TopicSpec
from common.bus.kafka import KafkaBus, consumer
from common.clock import ManualClock
from common.config import KafkaConfig
from common.secret import Secret
from tests.contract.test_bus_contract import kafka_bus, read, reading, send_all


@pytest.fixture
def bus(kafka_server):
    made = kafka_bus(kafka_server)
    yield made
    made.close()


@pytest.fixture
def topic(bus):
    name = f"t-{uuid.uuid4().hex}"
    bus.create_topics([TopicSpec(name, 2)])
    return name


def until_sent(producer, topic, value, timeout_s=40.0):
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return producer.send(topic, "k", value).wait(10)
        except BusUnavailableError:
            if time.monotonic() > deadline:
                raise


def until_read(consumer, value, timeout_s=40.0):
    seen, deadline = [], time.monotonic() + timeout_s
    while value not in seen and time.monotonic() < deadline:
        with contextlib.suppress(BusUnavailableError):
            seen += [record.value for record in consumer.poll(0.5)]
    return seen


def poll_often(consumer, times):
    for _ in range(times):
        consumer.poll(0.5)


def test_without_a_broker_nothing_blocks_for_long_and_nothing_is_left_behind():
    bus = KafkaBus(KafkaConfig(("127.0.0.1:1",)), "test")
    producer, reader = bus.producer(), bus.consumer("g")
    threads = set(threading.enumerate())
    for call in (lambda: producer.send("t", "k", b"v"), lambda: bus.ping(5),
                 lambda: reader.assign([Partition("t", 0)])):
        began = time.monotonic()
        with pytest.raises(BusUnavailableError):
            call()
        assert time.monotonic() - began < 7
    bus.close()
    assert set(threading.enumerate()) <= threads, "a thread of ours was left behind"


def test_a_refused_password_is_told(kafka_server):
    config = KafkaConfig((kafka_server.address,), "admin", Secret("not it"))
    with pytest.raises(BusUnavailableError, match="takes the password of admin"):
        KafkaBus(config, "test").ping(5)


def test_producer_and_consumer_go_on_after_a_restart(kafka_server, bus, topic):
    producer, reader = bus.producer(), reading(bus, topic, uuid.uuid4().hex)
    producer.send(topic, "k", b"before").wait(10)
    assert [r.value for r in read(reader, 1)] == [b"before"]
    kafka_server.stop()
    began = time.monotonic()
    with pytest.raises(BusUnavailableError):
        producer.send(topic, "k", b"during").wait(10)
    assert time.monotonic() - began < 11
    kafka_server.start()
    began = time.monotonic()
    until_sent(producer, topic, b"after")
    assert b"after" in until_read(reader, b"after")
    assert time.monotonic() - began < 15
    reader.commit({Partition(topic, n): 0 for n in range(2)})
    bus.ping(5)


def test_a_frozen_broker_fails_calls_in_time_and_all_goes_on_after_it(kafka_server, bus, topic):
    producer, reader = bus.producer(), reading(bus, topic)
    producer.send(topic, "k", b"before").wait(10)
    read(reader, 1)
    kafka_server.pause()
    try:
        for call in (lambda: producer.send(topic, "k", b"during").wait(10), lambda: bus.ping(5),
                     lambda: reader.end_offsets([Partition(topic, 0)])):
            began = time.monotonic()
            with pytest.raises(BusUnavailableError):
                call()
            assert time.monotonic() - began < 11
        with pytest.raises(BusUnavailableError):
            poll_often(reader, 60)
    finally:
        kafka_server.unpause()
    until_sent(producer, topic, b"after")
    assert b"after" in until_read(reader, b"after")


def test_a_new_topic_is_found_by_everyone(bus):
    other = f"t-{uuid.uuid4().hex}"
    with contextlib.suppress(Exception):
        bus.partitions_of(other)
    bus.create_topics([TopicSpec(other)])
    send_all(bus, other, [("k", b"v")])
    assert [r.value for r in read(reading(bus, other), 1)] == [b"v"]


def test_a_consumer_with_lag_and_no_records_is_rebuilt_three_times_then_gives_up(monkeypatch):
    class Deaf:
        """A driver that has records but never gives them out."""

        def __init__(self, **_arguments):
            built.append(self)
            self._client = self

        def assign(self, partitions): ...
        def seek(self, partition, offset): ...
        def close(self, **_options): ...

        def position(self, _partition, **_options):
            return 0

        def end_offsets(self, partitions, **_options):
            return dict.fromkeys(partitions, 5)

        def poll(self, **_options):
            clock.advance(timedelta(seconds=1))
            return {}

    built = []
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(consumer, "build", lambda _class, **arguments: Deaf(**arguments))
    admin = type("Admin", (), {"partition_count": lambda *_: 1})()
    reader = consumer.KafkaConsumer({}, "g", admin, clock)
    reader.assign([Partition("t", 0)])
    with pytest.raises(StuckConsumerError):
        poll_often(reader, 1000)
    assert len(built) == 4
    assert 120 <= clock.monotonic() <= 180
