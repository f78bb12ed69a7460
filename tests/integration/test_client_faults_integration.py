"""The platform client among faults: Docker hung and restarted, a registry that never answers."""

import secrets
import socket
import subprocess
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest

from common.jobs import Reason
from common.messages import NODES, NodeChanged, NodeState, StopCause, StopContainer, encode
from tests.support import servers
from tests.support.clients import client_on, containers_of, now, start_of
from tests.support.machines import docker_machine


def job(name):
    return f"{name}-{secrets.token_hex(3)}.20261123T080000Z.0"


def stop_of(node_id, job_id, grace_s=2):
    return StopContainer(node_id=node_id, job_id=job_id, attempt=1, epoch=1, grace_s=grace_s,
                         reason=Reason.USER)


@pytest.fixture(scope="module")
def machine():
    servers.ensure_image("demo-app")
    with docker_machine("rota/demo-app:dev") as made:
        yield made


@pytest.fixture
def on_machine(kafka_server, tmp_path, machine):
    """A client whose Docker is the machine's own: that one may be ill-treated."""
    with client_on(kafka_server, tmp_path) as (client, listener):
        client.environment["ROTA_CLIENT_DOCKER"] = machine.socket
        client.start()
        listener.wait(lambda: listener.beats and listener.beats[-1].docker_ok)
        yield client, listener


def pids_of_docker(machine):
    return machine.shell("pidof dockerd").split()


def starts_of(machine, job_id, since):
    until = str(int(time.time()) + 1)  # noqa: TID251 - whole seconds: the last one included
    seen = machine.run("docker", "events", "--since", since, "--until", until, "--filter",
                       "event=start", "--filter", f"label=io.rota.job={job_id}", "--format",
                       "{{.ID}}")
    return seen.split()


def test_a_hung_docker_is_told_and_afterwards_all_is_as_it_should_be(on_machine, machine):
    client, listener = on_machine
    running, due, expired = job("running"), job("due"), job("expired")
    since = str(int(time.time()) - 1)  # noqa: TID251 - Docker's own clock
    stop_at = now() + timedelta(seconds=10)
    listener.send(client.node_id, start_of(client.node_id, running, "forever", stop_at=stop_at,
                                           spec={"grace_s": 2}))
    listener.wait_for(running, "RUNNING")
    machine.run("kill", "-STOP", *pids_of_docker(machine))
    try:
        listener.send(client.node_id, start_of(client.node_id, due, "forever"))
        listener.send(client.node_id, start_of(client.node_id, expired, "forever",
                                               expires_at=now() + timedelta(seconds=5)))
        listener.wait(lambda: not listener.beats[-1].docker_ok, 40)
        assert "Docker" in listener.beats[-1].detail
        rows = {row.job_id for row in listener.beats[-1].containers}
        assert running in rows  # still told: nobody may think that it is gone
        time.sleep(max(0.0, (stop_at - now()).total_seconds()) + 2)
    finally:
        machine.run("kill", "-CONT", *pids_of_docker(machine))
    back = now()
    ended = listener.wait_for(running, "EXITED", 60)
    assert ended.stop_cause is StopCause.DEADLINE
    assert ended.ended_at - back < timedelta(seconds=20)
    assert listener.wait_for(expired, "REFUSED", 60).stop_cause is StopCause.EXPIRED
    listener.wait_for(due, "RUNNING", 60)
    listener.wait(lambda: listener.beats[-1].docker_ok, 40)
    assert [len(starts_of(machine, one, since)) for one in (running, due, expired)] == [1, 1, 0]


def test_a_restart_of_docker_is_survived_and_its_victims_are_told(on_machine, machine):
    client, listener = on_machine
    victim, after = job("victim"), job("after")
    listener.send(client.node_id, start_of(client.node_id, victim, "forever"))
    listener.wait_for(victim, "RUNNING")
    machine.run("systemctl", "restart", "docker")
    ended = listener.wait_for(victim, "EXITED", 60)
    assert ended.stop_cause is None
    listener.send(client.node_id, start_of(client.node_id, after, "run", "1"))
    assert listener.wait_for(after, "EXITED", 60).exit_code == 0


class DeafRegistry:
    """Accepts and never answers."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked = threading.Event()
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                self._open.append(self._listener.accept()[0])
                self.asked.set()

    def close(self):
        self._listener.close()
        for connection in self._open:
            connection.close()


def test_a_kill_during_a_pull_wins_at_once_and_other_starts_go_on(kafka_server, tmp_path):
    registry = DeafRegistry()
    with client_on(kafka_server, tmp_path) as (client, listener):
        client.start()
        listener.wait(lambda: listener.beats and listener.beats[-1].docker_ok)
        pulling, other = job("pulling"), job("other")
        listener.send(client.node_id, start_of(client.node_id, pulling,
                                               image=f"localhost:{registry.port}/slow:1"))
        assert registry.asked.wait(20)
        listener.send(client.node_id, start_of(client.node_id, other, "forever"))
        listener.wait_for(other, "RUNNING")
        listener.send(client.node_id, stop_of(client.node_id, pulling))
        refused = listener.wait_for(pulling, "REFUSED", 5)
        assert refused.stop_cause is StopCause.COMMAND
        registry.close()
        assert containers_of(client.node_id, "--filter", f"label=io.rota.job={pulling}") == []


def test_two_clients_of_one_name_run_one_container(kafka_server, tmp_path):
    with client_on(kafka_server, tmp_path) as (client, listener):
        def tell(address, revision):
            told = NodeChanged(node_id=client.node_id, state=NodeState.ACTIVE, revision=revision,
                               boot_id="another", address=address, log_port=1, cpus=1.0,
                               memory_bytes=1, since=now())
            listener.producer.send(NODES, client.node_id, encode(told)).wait(10)

        tell("192.0.2.9", 1)
        client.start()
        name = job("twice")
        listener.send(client.node_id, start_of(client.node_id, name, "forever"))
        listener.wait(lambda: listener.beats and "holds the name" in (listener.beats[-1].detail or ""),
                      60)
        assert not listener.beats[-1].docker_ok
        assert containers_of(client.node_id) == []
        assert listener.of(name) == []


def test_client_down_over_a_deadline_with_no_watchdog_tells_the_stop_time(kafka_server, tmp_path):
    with client_on(kafka_server, tmp_path) as (client, listener):
        client.start()
        name, stop_at = job("late"), now() + timedelta(seconds=6)
        listener.send(client.node_id, start_of(client.node_id, name, "forever", stop_at=stop_at))
        container = listener.wait_for(name, "RUNNING").container_id
        client.kill()
        time.sleep(max(0.0, (stop_at - now()).total_seconds()))
        subprocess.run(["docker", "stop", "-t", "2", container], check=True, capture_output=True)
        client.start()
        assert listener.wait_for(name, "EXITED").stop_cause is StopCause.DEADLINE
