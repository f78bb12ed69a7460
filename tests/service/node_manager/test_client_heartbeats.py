"""The client's own word for when the platform last heard of it."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from common.bus import BusUnavailableError
from common.messages import NODE_HEARTBEATS, decode
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


def test_images_are_told_at_first_at_a_change_and_once_a_minute(tmp_path):
    bench = Bench(tmp_path)
    ways = Ways(bench.engine, bench.bus.producer(), bench.clock, bench.register)
    beats = Heartbeats(bench.agent, Identity("m1", "b1", "10.0.0.1", 1, {}, "v"), ways)
    bench.agent.sweep()

    def told_after(seconds):
        bench.clock.advance(timedelta(seconds=seconds))
        beats.wake()
        beats.run_once()
        message = decode(NODE_HEARTBEATS, bench.bus.records(NODE_HEARTBEATS)[-1].value)
        return None if message.images is None else [one.name for one in message.images]

    assert told_after(0) == ["app"]
    assert told_after(6) is None
    bench.engine.images.add("shop/heating:1")
    assert told_after(6) == ["app", "shop/heating:1"]
    assert told_after(50) is None
    assert told_after(20) == ["app", "shop/heating:1"]
    bench.engine.contents["app"] = "sha256:moved"
    bench.bus.available = False
    with pytest.raises(BusUnavailableError):
        told_after(6)
    bench.bus.available = True
    assert told_after(1) == ["app", "shop/heating:1"]
