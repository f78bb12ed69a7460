"""The watchdog ends what must stop, on real Docker, with no client, no Kafka and no MySQL."""

import os
import secrets
import signal
import subprocess
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from node_manager.client import watchdog
from node_manager.client.domain.attempt import Status
from tests.support import servers
from tests.support.clients import inspect, now
from tests.support.containers import Containers

SCRIPT = str(servers.REPOSITORY / "node_manager/client/watchdog/watchdog.sh")


@pytest.fixture
def machine():
    servers.ensure_image("demo-app")
    made = Containers()
    yield made
    made.close()


@contextmanager
def watching(tmp_path, **extra):
    environment = {**os.environ, "ROTA_WATCHDOG_ALIVE": str(tmp_path / "alive"), **extra}
    with (tmp_path / "watchdog.log").open("ab") as log:
        process = subprocess.Popen(["/bin/sh", SCRIPT], env=environment, stdout=log, stderr=log,
                                   start_new_session=True)
    try:
        yield tmp_path / "watchdog.log"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def test_it_stops_at_the_deadline_and_leaves_others_alone(machine, tmp_path):
    stop_at = now() + timedelta(seconds=8)
    due = machine.start("forever", stop_at=stop_at)
    later = machine.start("forever", stop_at=now() + timedelta(hours=1))
    endless = machine.start("forever")
    with watching(tmp_path):
        ended = machine.wait(due)
        assert timedelta(0) <= ended.ended_at - stop_at <= timedelta(seconds=2.5)
        assert ended.exit_code == 0  # its stop signal, not SIGKILL
        for name in (later, endless):
            assert machine.engine.inspect(name).status is Status.RUNNING
        assert (tmp_path / "alive").exists()


def test_what_ignores_its_signal_is_killed_after_its_grace(machine, tmp_path):
    stop_at = now() + timedelta(seconds=3)
    deaf = machine.start("ignore-term", stop_at=stop_at, spec={"grace_s": 2})
    with watching(tmp_path):
        ended = machine.wait(deaf)
    assert ended.exit_code == 137
    assert timedelta(seconds=2) <= ended.ended_at - stop_at <= timedelta(seconds=2 + 2.5)


def test_it_enforces_a_timeout(machine, tmp_path):
    slow = machine.start("forever", spec={"timeout_s": 3})
    with watching(tmp_path):
        ended = machine.wait(slow)
    assert timedelta(seconds=3) <= ended.ended_at - ended.started_at <= timedelta(seconds=6.5)


def test_it_gives_no_second_signal_where_the_client_is_alive(machine, tmp_path):
    stop_at = now() + timedelta(seconds=3)
    deaf = machine.start("ignore-term", stop_at=stop_at, spec={"grace_s": 5})
    with watching(tmp_path) as log:
        time.sleep(max(0.0, (stop_at - now()).total_seconds()))
        machine.engine.signal(deaf, "SIGTERM")  # as the client does
        ended = machine.wait(deaf)
        output = machine.output(deaf)
    assert output.count("event=signal") == 1
    assert ended.exit_code == 137  # the client died within the grace: the watchdog sees to the end
    assert ended.ended_at - stop_at <= timedelta(seconds=5 + 6)
    assert "stop container" not in log.read_text()


FAKE_DATE = """#!/bin/sh
[ "$*" = +%s ] || exec /bin/date "$@"
echo $(($(/bin/date +%s) + $(cat {jump})))
"""


def test_a_clock_that_jumps_by_an_hour_ends_nothing_early_and_what_is_due_on_time(machine, tmp_path):
    jump, fake = tmp_path / "jump", tmp_path / "bin" / "date"
    jump.write_text("0")
    fake.parent.mkdir()
    fake.write_text(FAKE_DATE.replace("{jump}", str(jump)))
    fake.chmod(0o755)
    later = machine.start("forever", stop_at=now() + timedelta(minutes=30))
    stop_at = now() + timedelta(seconds=9)
    due = machine.start("forever", stop_at=stop_at)
    with watching(tmp_path, PATH=f"{fake.parent}:{os.environ['PATH']}"):
        until = time.monotonic() + 10
        while not (tmp_path / "alive").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)  # one look with the right time
        jump.write_text("3600")
        ended = machine.wait(due)
        assert timedelta(0) <= ended.ended_at - stop_at <= timedelta(seconds=3)
        assert machine.engine.inspect(later).status is Status.RUNNING


def test_nonsense_in_labels_stops_neither_it_nor_the_container(machine, tmp_path):
    name = f"rota-test-nonsense-{secrets.token_hex(4)}"
    labels = {"node": machine.owner.node_id, "job": "x", "grace": "-1", "timeout": "never",
              "deadline": f"$(touch {tmp_path}/trap); soon"}
    argv = [word for key, value in labels.items() for word in ("--label", f"io.rota.{key}={value}")]
    subprocess.run(["docker", "run", "-d", "--name", name, *argv, "rota/demo-app:dev", "forever"],
                   check=True, capture_output=True)
    due = machine.start("forever", stop_at=now() + timedelta(seconds=2))
    with watching(tmp_path):
        machine.wait(due)
    assert inspect(name)["State"]["Running"]
    assert not (tmp_path / "trap").exists()


def test_containers_that_are_not_jobs_are_left_alone(machine, tmp_path):
    name = f"rota-test-foreign-{secrets.token_hex(4)}"
    subprocess.run(
        ["docker", "run", "-d", "--name", name, "--label", f"io.rota.node={machine.owner.node_id}",
         "--label", "io.rota.deadline=2026-01-01T00:00:00Z", "rota/demo-app:dev", "forever"],
        check=True, capture_output=True)
    due = machine.start("forever", stop_at=now() + timedelta(seconds=2))
    with watching(tmp_path):
        machine.wait(due)
    assert inspect(name)["State"]["Running"]


def test_its_files_are_those_of_the_repository():
    paths = {file.path: file for file in watchdog.files_to_install()}
    assert paths["/usr/local/lib/rota/watchdog.sh"].mode == 0o755
    unit = paths["/etc/systemd/system/rota-watchdog.service"].content
    assert "ExecStart=/bin/sh /usr/local/lib/rota/watchdog.sh\n" in unit
    assert "Requires=docker" not in unit  # a restart of Docker must not end it
