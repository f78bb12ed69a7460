"""What every bus promises (common/bus): the memory twin and the real Kafka alike."""

import threading
import time
import uuid

import pytest

from common.bus import MessageTooLargeError, Partition, TopicSpec, UnknownTopicError
from common.bus.kafka import KafkaBus
from common.bus.memory import MemoryBus
from common.config import KafkaConfig
from common.hashing import partition_of
from common.secret import Secret

KEYS = ["hostel-a-heating", "x", "job.20261123T080000Z.0", "ключ", ""]


def kafka_bus(server, client_id="test"):
    config = KafkaConfig((server.address,), server.user, Secret(server.password))
    return KafkaBus(config, client_id)


@pytest.fixture(params=["memory", "kafka"])
def bus(request):
    if request.param == "memory":
        made = MemoryBus()
    else:
        made = kafka_bus(request.getfixturevalue("kafka_server"))
    yield made
    made.close()


@pytest.fixture
def topic(bus):
    name = f"t-{uuid.uuid4().hex}"
    assert list(bus.create_topics([TopicSpec(name, 4)])) == [name]
    return name


def send_all(bus, topic, pairs):
    producer = bus.producer()
    for pending in [producer.send(topic, key, value) for key, value in pairs]:
        pending.wait(10)


def read(consumer, count, timeout_s=15.0):
    records, deadline = [], time.monotonic() + timeout_s
    while len(records) < count and time.monotonic() < deadline:
        records += consumer.poll(0.5)
    return records


def reading(bus, topic, group=None):
    consumer = bus.consumer(group)
    consumer.assign(bus.partitions_of(topic))
    return consumer


def test_records_come_as_they_were_sent(bus, topic):
    before_ms = time.time() * 1000  # noqa: TID251
    send_all(bus, topic, [("k", b"\x00value")])
    [record] = read(reading(bus, topic), 1)
    assert (record.key, record.value, record.offset) == ("k", b"\x00value", 0)
    assert record.partition == Partition(topic, partition_of("k", 4))
    assert abs(record.timestamp_ms - before_ms) < 10_000


def test_the_partition_follows_from_the_key(bus, topic):
    send_all(bus, topic, [(key, b"v") for key in KEYS])
    records = read(reading(bus, topic), len(KEYS))
    assert {r.key: r.partition.number for r in records} == {k: partition_of(k, 4) for k in KEYS}


def test_records_without_key_arrive(bus, topic):
    send_all(bus, topic, [(None, b"a"), (None, b"b")])
    assert {(r.key, r.value) for r in read(reading(bus, topic), 2)} == {(None, b"a"), (None, b"b")}


def test_order_holds_within_a_partition(bus, topic):
    send_all(bus, topic, [("same", str(i).encode()) for i in range(2000)])
    records = read(reading(bus, topic), 2000)
    assert [int(r.value) for r in records] == list(range(2000))
    assert [r.offset for r in records] == list(range(2000))


def test_many_records_at_once_arrive_in_order_among_others(bus, topic):
    producer = bus.producer()
    many = [(f"key-{i % 7}", f"{i:05d}".encode() * 40) for i in range(6000)]
    producer.send(topic, "key-1", b"first").wait(10)
    pending = producer.send_all(topic, many)
    after = producer.send(topic, "key-1", b"last")
    pending.wait(10)
    after.wait(10)
    assert pending.is_over()
    assert after.is_over()
    records = read(reading(bus, topic), 6002)
    by_key = {f"key-{k}": [value for key, value in many if key == f"key-{k}"] for k in range(7)}
    by_key["key-1"] = [b"first", *by_key["key-1"], b"last"]
    assert {key: [r.value for r in records if r.key == key] for key in by_key} == by_key
    assert {r.partition.number for r in records if r.key == "key-3"} == {partition_of("key-3", 4)}


def test_many_records_to_an_unknown_topic_or_too_large_are_refused(bus, topic):
    with pytest.raises(UnknownTopicError):
        bus.producer().send_all(f"none-{uuid.uuid4().hex}", [("k", b"v")]).wait(10)
    with pytest.raises(MessageTooLargeError):
        bus.producer().send_all(topic, [("k", b"v"), ("k", b"x" * 2_000_000)]).wait(10)


def test_a_poll_returns_at_most_what_was_asked_and_goes_on_after_it(bus, topic):
    send_all(bus, topic, [("same", str(i).encode()) for i in range(30)])
    consumer, seen = reading(bus, topic), []
    while len(seen) < 30:
        records = consumer.poll(5, max_records=7)
        assert 0 < len(records) <= 7
        seen += records
    assert [int(r.value) for r in seen] == list(range(30))


def test_a_new_consumer_of_the_group_begins_at_the_commit(bus, topic):
    send_all(bus, topic, [("k", b"1"), ("k", b"2"), ("k", b"3")])
    group, partition = uuid.uuid4().hex, Partition(topic, partition_of("k", 4))
    first = reading(bus, topic, group)
    assert len(read(first, 3)) == 3
    first.commit({partition: 2})
    first.close()
    assert [r.value for r in read(reading(bus, topic, group), 1)] == [b"3"]
    assert len(read(reading(bus, topic, uuid.uuid4().hex), 3)) == 3


def test_without_a_commit_everything_is_read_again(bus, topic):
    send_all(bus, topic, [("k", b"1")])
    group = uuid.uuid4().hex
    for _ in range(2):
        consumer = reading(bus, topic, group)
        assert [r.value for r in read(consumer, 1)] == [b"1"]
        consumer.close()


def test_seek_reads_again(bus, topic):
    send_all(bus, topic, [("k", b"1"), ("k", b"2")])
    partition = Partition(topic, partition_of("k", 4))
    consumer = reading(bus, topic)
    assert len(read(consumer, 2)) == 2
    consumer.seek(partition, 1)
    assert consumer.position(partition) == 1
    assert [r.value for r in read(consumer, 1)] == [b"2"]
    assert consumer.position(partition) == 2


def test_positions_and_end_offsets_tell_when_a_replay_is_complete(bus, topic):
    send_all(bus, topic, [("k", b"1"), ("k", b"2")])
    consumer = reading(bus, topic)
    ends = consumer.end_offsets(bus.partitions_of(topic))
    assert sum(ends.values()) == 2
    assert sum(consumer.position(p) for p in ends) == 0
    read(consumer, 2)
    assert {p: consumer.position(p) for p in ends} == ends


def test_assigning_again_keeps_the_place_of_what_stays(bus, topic):
    send_all(bus, topic, [(key, b"1") for key in KEYS])
    consumer = bus.consumer(uuid.uuid4().hex)
    everything = bus.partitions_of(topic)
    consumer.assign(everything[:2])
    read(consumer, sum(partition_of(key, 4) < 2 for key in KEYS))
    consumer.assign(everything)
    records = read(consumer, sum(partition_of(key, 4) >= 2 for key in KEYS))
    assert {r.partition.number for r in records} <= {2, 3}


def test_poll_without_records_returns_after_the_timeout(bus, topic):
    consumer = reading(bus, topic)
    began = time.monotonic()
    assert list(consumer.poll(0.3)) == []
    assert 0.25 < time.monotonic() - began < 2


def test_poll_of_nothing_assigned_waits_too(bus):
    consumer = bus.consumer(None)
    began = time.monotonic()
    assert list(consumer.poll(0.3)) == []
    assert 0.25 < time.monotonic() - began < 2


def test_wake_ends_a_poll_in_another_thread(bus, topic):
    consumer = reading(bus, topic)
    began = time.monotonic()
    timer = threading.Timer(0.3, consumer.wake)
    timer.start()
    assert list(consumer.poll(30)) == []
    assert time.monotonic() - began < 3
    timer.join()


def test_a_wake_before_the_poll_is_not_lost(bus, topic):
    consumer = reading(bus, topic)
    consumer.wake()
    began = time.monotonic()
    assert list(consumer.poll(30)) == []
    assert time.monotonic() - began < 3


def test_an_unknown_topic_raises_at_once_and_is_not_made(bus):
    name = f"none-{uuid.uuid4().hex}"
    began = time.monotonic()
    with pytest.raises(UnknownTopicError):
        bus.partitions_of(name)
    with pytest.raises(UnknownTopicError):
        bus.producer().send(name, "k", b"v").wait(10)
    with pytest.raises(UnknownTopicError):
        bus.consumer(None).assign([Partition(name, 0)])
    assert time.monotonic() - began < 5
    with pytest.raises(UnknownTopicError):
        bus.partitions_of(name)


def test_an_unknown_partition_raises(bus, topic):
    with pytest.raises(UnknownTopicError):
        bus.consumer(None).assign([Partition(topic, 4)])


def test_too_large_a_record_raises_and_stops_nobody(bus, topic):
    producer = bus.producer()
    with pytest.raises(MessageTooLargeError):
        producer.send(topic, "k", b"x" * 3_000_000).wait(10)
    producer.send(topic, "k", b"small").wait(10)
    assert [r.value for r in read(reading(bus, topic), 1)] == [b"small"]


def test_topics_are_made_once(bus, topic):
    other = f"t-{uuid.uuid4().hex}"
    specs = [TopicSpec(topic, 4), TopicSpec(other, 2, compacted=True)]
    assert list(bus.create_topics(specs)) == [other]
    assert list(bus.create_topics(specs)) == []
    assert len(bus.partitions_of(other)) == 2


def test_ping_returns_when_the_bus_is_there(bus):
    bus.ping(5)


def test_one_producer_serves_many_threads(bus, topic):
    producer = bus.producer()

    def send_some(number):
        for i in range(50):
            producer.send(topic, str(number), f"{number}/{i}".encode()).wait(10)

    threads = [threading.Thread(target=send_some, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(reading(bus, topic), 200)) == 200
