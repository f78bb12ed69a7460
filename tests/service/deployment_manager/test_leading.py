"""Who leads, as `__main__` wires it."""

import pytest

from common.bus import BusUnavailableError
from common.messages import StopContainer
from deployment_manager.__main__ import STANDBY_S, _lead, _while
from deployment_manager.service import NotLeadingError
from tests.service.deployment_manager.bench import Replica


def test_a_leader_cut_off_from_kafka_lets_another_lead_at_once(bench):
    bench.node("m1")
    bench.step()
    first, second = bench.replica, Replica(bench, "two")
    assert _lead(second.deployer, bench.bus) == STANDBY_S
    bench.bus.available = False
    with pytest.raises(BusUnavailableError):
        _lead(first.deployer, bench.bus)
    bench.bus.available = True
    assert _lead(second.deployer, bench.bus) is None
    assert not first.deployer.is_leading
    assert _lead(first.deployer, bench.bus) == STANDBY_S


def test_a_clean_stop_gives_the_lead_back_at_once(bench):
    bench.step()
    second = Replica(bench, "two")
    bench.replica.deployer.leave()
    bench.replica.deployer.leave()
    assert second.deployer.lead()


def test_a_standby_is_ready_with_nodes_and_loads(bench):
    second = Replica(bench, "two")
    bench.node("m1")
    for receiver in second.receivers[:2]:
        receiver.wake()
        receiver.run_once(0)
    assert second.deployer.lead()
    bench.replica = second
    bench.start()
    bench.step()
    assert bench.started()


def test_loops_rest_while_their_condition_does_not_hold():
    done = []
    assert _while(lambda: False, lambda: done.append(1))() > 0
    assert _while(lambda: True, lambda: done.append(1))() is None
    assert done == [1]


def test_a_leader_that_was_frozen_stops_nothing_that_its_successor_placed(bench):
    bench.node("m1")
    bench.step()
    zombie = bench.replica
    bench.pass_time(60)
    bench.restart("two")
    start = bench.run_one()
    bench.step()
    bench.beat("m1", start)
    with pytest.raises(NotLeadingError):
        zombie.step()
    assert bench.commands("m1", StopContainer) == []
