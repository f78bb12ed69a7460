"""What the machines ask their services by, run against a health port as the services have it."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from common.clock import SystemClock
from common.health import Health, start_health_server
from common.lifecycle import heartbeat_at
from common.messages import NODE_HEARTBEATS, SERVICE_HEARTBEATS
from platform_initializer.health import ASK


@pytest.fixture
def port():
    health = Health({}, {"mysql": lambda: "refused"})
    health.run_checks()
    server = start_health_server(health, "127.0.0.1", 0)
    yield str(server.server_address[1])
    server.shutdown()
    server.server_close()
    heartbeat_at.clear()


def ask(*ports):
    done = subprocess.run([sys.executable, "-c", ASK, "0", *ports], capture_output=True, check=True)
    return json.loads(done.stdout)


def test_the_oldest_heartbeat_counts_and_a_silent_port_is_no_error(port):
    now = SystemClock().now()
    heartbeat_at.labels(SERVICE_HEARTBEATS).set(now.timestamp())
    heartbeat_at.labels(NODE_HEARTBEATS).set((now - timedelta(seconds=40)).timestamp())
    found = ask(port, "1")
    assert (found[port]["ready"], found[port]["said"]) == (False, "mysql: refused\n")
    assert 40 <= found[port]["beat_age_s"] < 60
    assert (found["1"]["ready"], found["1"]["beat_age_s"]) == (False, None)


def test_a_service_that_tells_no_heartbeat_has_no_age(port):
    heartbeat_at.clear()
    assert ask(port)[port]["beat_age_s"] is None
