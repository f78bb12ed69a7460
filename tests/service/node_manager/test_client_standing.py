"""Two machines of one name: the registry says whose it is, and the other one does nothing."""

from datetime import timedelta

import pytest

from common.bus import Partition, Record
from common.bus.receive import Received
from common.messages import NODES, NodeChanged, NodeState
from node_manager.client.domain.attempt import Status
from node_manager.client.standing import Standing, StandingUnknownError
from tests.service.node_manager.client_bench import KEY, NOW, Bench


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def tell(bench, boot_id="b1", address="10.0.0.1", revision=1, node_id="m1"):
    told = NodeChanged(node_id=node_id, state=NodeState.ACTIVE, revision=revision, boot_id=boot_id,
                       address=address, log_port=1, cpus=1.0, memory_bytes=1, since=NOW)
    bench.register.hear([Received(told, Record(Partition(NODES, 0), 0, node_id, b"", 0))])


def test_a_name_of_which_nothing_is_told_is_free(bench):
    tell(bench, boot_id="other", node_id="m2")
    assert bench.register.standing() is Standing.HOLDER


def test_nothing_is_taken_before_everything_told_is_read(bench):
    bench.register.follow(lambda: False, lambda: None)
    with pytest.raises(StandingUnknownError):
        bench.start()
    bench.register.follow(lambda: True, lambda: None)
    bench.start()
    bench.work()
    assert bench.engine.starts == [KEY.name]


def test_after_a_boot_it_waits_until_the_registry_names_it(bench):
    changes = []
    bench.register.follow(lambda: True, lambda: changes.append(1))
    tell(bench, boot_id="b0")
    with pytest.raises(StandingUnknownError):
        bench.start()
    tell(bench, boot_id="b1", revision=2)
    assert changes
    bench.start()
    bench.work()
    assert bench.engine.starts == [KEY.name]


@pytest.mark.parametrize("other", [
    {"boot_id": "b9"}, {"address": "10.0.0.9"}, {"boot_id": "b9", "address": "10.0.0.9"}])
def test_a_second_machine_starts_nothing_and_answers_nothing(bench, other):
    tell(bench, **other)
    bench.clock.advance(timedelta(seconds=31))
    assert bench.register.standing() is Standing.REFUSED
    assert "holds the name m1" in bench.register.error()
    bench.start()
    bench.stop()
    bench.work()
    assert bench.engine.created == []
    assert bench.told() == []


def test_who_lost_its_name_keeps_deadlines_and_stops_what_it_runs(bench):
    tell(bench)
    bench.start(stop_at=NOW + timedelta(minutes=5))
    bench.work()
    bench.clock.advance(timedelta(seconds=60))
    tell(bench, boot_id="b2", revision=2)
    assert bench.register.standing() is Standing.REFUSED
    bench.stop()
    bench.work()
    bench.pass_time(1)
    assert bench.engine.inspect(KEY.name).status is Status.EXITED
    assert bench.told()[-1].state.value == "EXITED"


def test_an_older_word_of_the_registry_changes_nothing(bench):
    tell(bench, revision=5)
    tell(bench, boot_id="b0", revision=4)
    assert bench.register.standing() is Standing.HOLDER
