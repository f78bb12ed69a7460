"""A machine whose clock is set by an hour, and one that comes back empty: its client, real servers."""

from __future__ import annotations

import http.client
import secrets
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest

from common.messages import ContainerState, StopCause
from node_manager.client.service import CLOCKS_DIFFER
from tests.faults.test_hung_docker import _own_jobs, kafka_server
from tests.support import servers
from tests.support.clients import Listener, client_on, containers_of, now, start_of

__all__ = ["_own_jobs", "kafka_server"]
JUMPING = """
import pathlib, runpy, sys
from datetime import timedelta
from common.clock import SystemClock
right, jump = SystemClock.now, pathlib.Path(sys.argv[1])
SystemClock.now = lambda self: right(self) + timedelta(seconds=float(jump.read_text()))
runpy.run_module("node_manager.client", run_name="__main__", alter_sys=True)
"""
QUIET_S = 12.0


def job(name: str) -> str:
    return f"{name}-{secrets.token_hex(3)}.20261123T080000Z.0"


def health_of(port: int) -> str:
    """Return what is well and what is not, line by line."""
    way = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    way.request("GET", "/readyz?verbose")
    return str(way.getresponse().read(), "utf-8")


def skew_of(listener: Listener) -> timedelta:
    """Return how far ahead a client's clock was with its last heartbeat, but for the way."""
    beat = listener.beats[-1]
    assert beat.time is not None
    return beat.time - now()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_machine_whose_clock_jumps_starts_and_ends_nothing_at_the_wrong_time_and_shows_it(
    kafka_server: servers.KafkaServer, tmp_path: Path, jump_s: int
) -> None:
    jump = tmp_path / "jump"
    jump.write_text("0")
    with client_on(kafka_server, tmp_path) as (client, listener):
        client.argv = ("-c", JUMPING, str(jump))
        client.start()
        listener.wait(lambda: listener.beats and listener.beats[-1].docker_ok)
        runs, comes, late = job("runs"), job("comes"), job("late")
        stop_at, due = now() + timedelta(seconds=12), now() + timedelta(seconds=9)
        listener.send(client.node_id, start_of(client.node_id, runs, "forever", stop_at=stop_at))
        listener.send(client.node_id, start_of(client.node_id, comes, "forever", due=due))
        listener.send(client.node_id, start_of(client.node_id, late, "forever",
                                               due=now() + timedelta(minutes=50)))  # fmt: skip
        listener.wait_for(runs, "RUNNING")
        jump.write_text(str(jump_s))
        seen = len(listener.beats)
        listener.wait(lambda: len(listener.beats) > seen + 1)
        assert abs(skew_of(listener) - timedelta(seconds=jump_s)) < timedelta(seconds=10)
        listener.wait(lambda: "jumped" in health_of(client.health_port))
        came, ended = listener.wait_for(comes, "RUNNING"), listener.wait_for(runs, "EXITED")
        assert came.started_at is not None
        assert ended.ended_at is not None
        assert timedelta(0) <= came.started_at - due < timedelta(seconds=3)
        assert timedelta(0) <= ended.ended_at - stop_at < timedelta(seconds=3)
        assert ended.stop_cause is StopCause.DEADLINE
        assert listener.of(late) == []


@pytest.mark.timeout(120)
def test_a_machine_that_comes_back_empty_starts_nothing_again_and_takes_what_is_new(
    kafka_server: servers.KafkaServer, tmp_path: Path
) -> None:
    with client_on(kafka_server, tmp_path) as (client, listener):
        client.start()
        listener.wait(lambda: listener.beats and listener.beats[-1].docker_ok)
        before = job("before")
        listener.send(client.node_id, start_of(client.node_id, before, "forever"))
        container = listener.wait_for(before, "RUNNING").container_id or ""
        client.kill()
        subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True)
        for left in tmp_path.glob("journal*"):  # and its place in the topic: all comes again
            left.unlink()
        unknown, after = job("unknown"), job("after")
        start = start_of(client.node_id, unknown, "forever")
        listener.send(client.node_id, start)
        time.sleep((2 * CLOCKS_DIFFER).total_seconds())
        client.start()
        listener.send(client.node_id, start_of(client.node_id, after, "forever"))
        listener.wait_for(after, "RUNNING")
        until = time.monotonic() + QUIET_S
        listener.wait(lambda: time.monotonic() >= until, QUIET_S + 5)
        assert [event.state for event in listener.of(before)] == [ContainerState.RUNNING]
        assert containers_of(client.node_id, "--filter", f"label=io.rota.job={before}") == []
        rows = {row.job_id for row in listener.beats[-1].containers}
        assert rows == {after}, "and so the platform hears that it is not there"
        assert listener.of(unknown) == [], "nobody here knows whether it ran before"
        listener.send(client.node_id, start)  # who still wants it says so again
        listener.wait_for(unknown, "RUNNING")
