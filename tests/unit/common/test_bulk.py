"""Record batches written by hand are what the driver itself reads and writes."""

import threading
from collections import defaultdict, deque
from types import SimpleNamespace

import pytest
from kafka import errors
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from common.bus.kafka import bulk
from common.hashing import partition_of


def client():
    accumulator = SimpleNamespace(
        _batches=defaultdict(deque), _incomplete=set(), _tp_lock=lambda _: threading.Lock())
    return SimpleNamespace(
        _accumulator=accumulator, _sender=SimpleNamespace(wakeup=lambda: None))


def contents_of(batch):
    batch.records.set_producer_state(7, 1, 40, is_transactional=False)
    batch.records.close()
    [read] = list(MemoryRecords(batch.records.buffer()))
    assert read.validate_crc()
    assert (read.producer_id, read.base_sequence) == (7, 40)
    return [(record.offset, record.key, record.value) for record in read]


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 127, 8191, 8192, 70_000])
def test_a_batch_is_read_back_whatever_the_sizes(size):
    made = client()
    records = [("k" * n, bytes(size)) for n in range(3)]
    bulk.append(made, "t", records, 1)
    [(place, [batch])] = made._accumulator._batches.items()
    assert place == ("t", 0)
    assert batch.record_count == 3
    assert contents_of(batch) == [(n, b"k" * n, bytes(size)) for n in range(3)]


def test_a_batch_is_the_bytes_that_the_driver_writes():
    made = client()
    records = [(f"key-{n}", b"v" * n) for n in range(300)]
    bulk.append(made, "t", records, 1)
    [[batch]] = made._accumulator._batches.values()
    stamp = batch.records._builder._first_timestamp
    theirs = MemoryRecordsBuilder(2, 0, 1_000_000)
    for key, value in records:
        theirs.append(stamp, key.encode(), value)
    theirs.close()
    batch.records.close()
    assert bytes(batch.records.buffer()) == bytes(theirs.buffer())


def test_records_go_to_their_partitions_in_batches_of_a_bounded_size():
    made = client()
    records = [(f"key-{n}", bytes(50_000)) for n in range(40)]
    futures = bulk.append(made, "t", records, 3)
    batches = made._accumulator._batches
    assert len(futures) == sum(len(some) for some in batches.values()) > 3
    for place, some in batches.items():
        read = [item for batch in some for item in contents_of(batch)]
        assert [key.decode() for _, key, _ in read] == [
            key for key, _ in records if partition_of(key, 3) == place.partition]
        assert all(batch.records.size_in_bytes() <= bulk.MOST_BATCH_BYTES + 100 for batch in some)


def test_a_batch_is_full_so_that_nothing_waits_for_it_and_nothing_is_added():
    made = client()
    bulk.append(made, "t", [("k", b"v")], 1)
    [[batch]] = made._accumulator._batches.values()
    assert batch.records.is_full()
    assert batch.try_append(None, b"k", b"v", []) is None


def test_nothing_is_queued_when_one_record_is_too_large():
    made = client()
    with pytest.raises(errors.MessageSizeTooLargeError):
        bulk.append(made, "t", [("k", b"v"), ("k", bytes(2_000_000))], 1)
    assert not made._accumulator._batches
