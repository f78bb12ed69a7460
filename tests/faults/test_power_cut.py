"""A machine's power goes while its own Docker runs a job: what its client tells afterwards."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

import pytest

from common.messages import ContainerState
from tests.faults.test_hung_docker import _own_jobs, kafka_server, machine
from tests.support import servers
from tests.support.clients import client_on, start_of
from tests.support.machines import Machine

__all__ = ["_own_jobs", "kafka_server", "machine"]


def job(name: str) -> str:
    return f"{name}-{secrets.token_hex(3)}.20261123T080000Z.0"


@pytest.mark.timeout(240)
def test_what_a_power_cut_ended_is_gone_and_what_ended_before_is_told_as_it_ended(
    kafka_server: servers.KafkaServer, tmp_path: Path, machine: Machine
) -> None:
    with client_on(kafka_server, tmp_path) as (client, listener):
        client.environment |= {"ROTA_CLIENT_DOCKER": machine.socket,
                               "ROTA_CLIENT_RUN_FOLDER": str(tmp_path)}  # fmt: skip
        client.start()
        listener.wait(lambda: listener.beats and listener.beats[-1].docker_ok)
        falls, ended = job("falls"), job("ended")
        listener.send(client.node_id, start_of(client.node_id, falls, "forever"))
        listener.send(client.node_id, start_of(client.node_id, ended, "run", "3", "7"))
        listener.wait_for(falls, "RUNNING")
        listener.wait_for(ended, "RUNNING")
        client.kill()
        machine.run("docker", "wait", listener.of(ended)[-1].container_id or "")
        subprocess.run(["docker", "kill", machine.name], check=True, capture_output=True)
        (tmp_path / "boot-id").unlink()  # as /run is empty after a boot
        subprocess.run(["docker", "start", machine.name], check=True, capture_output=True)
        client.start()
        gone = listener.wait_for(falls, "GONE", 90)
        assert gone.stop_cause is None
        assert gone.started_at == listener.of(falls)[0].started_at
        assert "started anew" in (gone.detail or "")
        told = listener.wait_for(ended, "EXITED", 30)
        assert (told.stop_cause, told.exit_code) == (None, 7)
        after = job("after")
        listener.send(client.node_id, start_of(client.node_id, after, "run", "1"))
        assert listener.wait_for(after, "EXITED", 60).exit_code == 0
        last = [listener.of(one)[-1].state for one in (falls, ended)]
        assert last == [ContainerState.GONE, ContainerState.EXITED]
