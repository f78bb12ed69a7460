"""The client's own word for when the platform last heard of it."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from common.bus import BusUnavailableError
from common.messages import NODE_HEARTBEATS
from node_manager.client.machine import Heartbeats, Identity, Ways
from tests.service.node_manager.client_bench import NOW, Bench


def told():
    labels = {"topic": NODE_HEARTBEATS}
    return REGISTRY.get_sample_value("rota_heartbeat_timestamp_seconds", labels)


def test_only_what_reached_kafka_counts(tmp_path):
    bench = Bench(tmp_path)
    ways = Ways(bench.engine, bench.bus.producer(), bench.clock, bench.register)
    beats = Heartbeats(bench.agent, Identity("m1", "b1", "10.0.0.1", 1, {}, "v"), ways)
    assert told() == NOW.timestamp()
    bench.clock.advance(timedelta(seconds=7))
    beats.wake()
    beats.run_once()
    heard = NOW + timedelta(seconds=7)
    assert told() == heard.timestamp()
    bench.bus.available = False
    bench.clock.advance(timedelta(seconds=60))
    beats.wake()
    with pytest.raises(BusUnavailableError):
        beats.run_once()
    assert told() == heard.timestamp()
