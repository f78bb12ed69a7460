"""The platform client as it is installed: a container, not root, with the machine's Docker socket."""

import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest

from common.bus.kafka import KafkaBus
from common.messages import fixed_topics, node_topics
from node_manager.client.install.run import ClientRun, folders, run_args
from tests.support import servers
from tests.support.clients import (
    Listener,
    kafka_config,
    now,
    remove_containers_of,
    start_of,
)

MIB = 1024 * 1024


class Installed:
    """The client of this machine, put up by the argv that the initializer uses."""

    def __init__(self, server, folder):
        image = servers.ensure_image("services")
        servers.ensure_image("demo-app")
        self.token = secrets.token_hex(16)
        self.run = ClientRun(
            image=image, platform="test", node_id=f"test-{secrets.token_hex(4)}", address="127.0.0.1",
            docker_gid=Path("/var/run/docker.sock").stat().st_gid, log_port=servers.free_port(),
            health_port=servers.free_port(), container=f"rota-test-client-{secrets.token_hex(4)}",
            labels={servers.OWNER_LABEL: str(os.getpid())},
            settings={"ROTA_KAFKA_BOOTSTRAP": server.address, "ROTA_KAFKA_USER": server.user,
                      "ROTA_CLIENT_LABELS": json.dumps({"zone": "a"})},
            state_folder=f"{folder}/state", secrets_folder=f"{folder}/secrets",
            run_folder=f"{folder}/run",
        )
        for wanted in folders(self.run):
            Path(wanted.path).mkdir()
            os.chown(wanted.path, wanted.uid, wanted.gid)
            Path(wanted.path).chmod(wanted.mode)
        for name, text in (("token", self.token), ("kafka_password", server.password)):
            path = Path(self.run.secrets_folder, name)
            path.write_text(text)
            os.chown(path, 10001, 10001)
            path.chmod(0o400)
        self.bus = KafkaBus(kafka_config(server), "test")
        self.bus.create_topics([*fixed_topics(), *node_topics(self.run.node_id)])
        self.listener = Listener(self.bus, self.run.node_id)

    def up(self):
        subprocess.run(run_args(self.run), check=True, capture_output=True)
        self.listener.wait(
            lambda: self.listener.beats and self.listener.beats[-1].docker_ok, 60)

    def remove(self):
        subprocess.run(["docker", "rm", "-f", self.run.container], capture_output=True, check=False)

    def output(self):
        done = subprocess.run(["docker", "logs", self.run.container], capture_output=True, text=True,
                              check=True)
        return done.stdout + done.stderr

    def close(self):
        self.remove()
        self.listener.close()
        self.bus.close()
        remove_containers_of(self.run.node_id)


@pytest.fixture(scope="module")
def installed(kafka_server, tmp_path_factory):
    made = Installed(kafka_server, tmp_path_factory.mktemp("client"))
    try:
        made.up()
        yield made
    finally:
        made.close()


def test_it_is_not_root_and_has_no_capability(installed):
    status = subprocess.run(
        ["docker", "exec", installed.run.container, "cat", "/proc/1/status"], check=True,
        capture_output=True, text=True).stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Uid"].split() == ["10001"] * 4
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


def test_its_heartbeat_tells_the_machine(installed):
    beat = installed.listener.beats[-1]
    docker = json.loads(subprocess.run(
        ["docker", "info", "-f", "{{json .}}"], check=True, capture_output=True, text=True).stdout)
    assert (beat.cpus, beat.memory_bytes) == (docker["NCPU"], docker["MemTotal"])
    assert beat.boot_id == Path(installed.run.run_folder, "boot-id").read_text()
    assert (beat.address, beat.log_port, beat.labels) == (
        "127.0.0.1", installed.run.log_port, {"zone": "a"})


def test_it_listens_on_the_machines_own_address_only(installed):
    listening = subprocess.run(["ss", "-Hltn"], check=True, capture_output=True, text=True).stdout
    addresses = {line.split()[3] for line in listening.splitlines()}
    for port in (installed.run.log_port, installed.run.health_port):
        assert f"127.0.0.1:{port}" in addresses
        assert not {f"0.0.0.0:{port}", f"*:{port}", f"[::]:{port}"} & addresses


def test_it_runs_jobs_serves_their_logs_and_keeps_deadlines(installed):
    listener, run = installed.listener, installed.run
    job, stop_at = "hall.20261123T080000Z.0", now() + timedelta(seconds=8)
    listener.send(run.node_id, start_of(run.node_id, job, "forever", stop_at=stop_at))
    began = listener.wait_for(job, "RUNNING")
    request = urllib.request.Request(f"http://127.0.0.1:{run.log_port}/v1/logs/{job}/1")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=10)  # noqa: S310
    request.add_header("Authorization", f"Bearer {installed.token}")
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert f"ROTA_JOB_ID={job}" in answer.read().decode()
    ended = listener.wait_for(job, "EXITED")
    assert began.started_at < stop_at <= ended.ended_at < stop_at + timedelta(seconds=2)


def test_its_journal_and_boot_id_outlive_the_container(installed):
    listener, run = installed.listener, installed.run
    before = listener.beats[-1].boot_id
    job = "kept.20261123T080000Z.0"
    listener.send(run.node_id, start_of(run.node_id, job, "forever",
                                        stop_at=now() + timedelta(seconds=15)))
    container = listener.wait_for(job, "RUNNING").container_id
    installed.remove()
    assert Path(run.state_folder, "journal").stat().st_size > 0
    listener.beats.clear()
    installed.up()
    assert listener.beats[-1].boot_id == before
    assert listener.wait_for(job, "EXITED").container_id == container


def test_docker_stop_ends_it_in_order(installed):
    began = time.monotonic()
    subprocess.run(["docker", "stop", "-t", "25", installed.run.container], check=True,
                   capture_output=True)
    assert time.monotonic() - began < 24
    code = subprocess.run(
        ["docker", "inspect", "-f", "{{.State.ExitCode}}", installed.run.container], check=True,
        capture_output=True, text=True).stdout.strip()
    assert code == "0", installed.output()
    assert installed.token not in installed.output()
