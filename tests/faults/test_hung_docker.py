"""A real Docker hangs while it starts jobs, and past the window of their starts; then it goes on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from common.messages import ContainerChanged, ContainerState, StopCause
from tests.support import servers
from tests.support.clients import ClientProcess, Listener, client_on, now, start_of
from tests.support.docker_proxy import DockerProxy
from tests.support.fixtures import kafka_server
from tests.support.machines import Machine, docker_machine

__all__ = ["kafka_server"]
DUE_AFTER = timedelta(seconds=8)
WINDOW = timedelta(seconds=10)
HANGS = timedelta(seconds=68)  # longer than the client waits for one start
JOBS = 6  # some starts are with Docker when it hangs, others wait for a worker of the client
LATER_S = 10.0  # what Docker still has to do shows by then


@pytest.fixture(autouse=True)
def _own_jobs() -> None:
    """Stand in for what the other modules need of a whole platform: here is none."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with docker_machine(servers.ensure_image("demo-app")) as made:
        yield made


RUNC_THAT_WAITS = """\
p=$(which runc) && mv $p $p.real && cat > $p <<END && chmod 755 $p
#!/bin/sh
while [ -e /run/hang ]; do sleep 0.1; done
exec $p.real "\\$@"
END
"""


class Freezer:
    """Makes the machine's Docker hang when a client asks for a start, until it is let go."""

    def __init__(self, hang: Callable[[], Callable[[], object]]) -> None:
        self._hang = hang
        self._let_go: Callable[[], object] | None = None

    def listen(self, chunk: bytes) -> None:
        if b"/start HTTP" in chunk and self._let_go is None:
            self._let_go = self._hang()

    @property
    def has_frozen(self) -> bool:
        return self._let_go is not None

    def let_go(self) -> None:
        if self._let_go is not None:
            self._let_go()


def stopping(machine: Machine, program: str) -> Callable[[], Callable[[], object]]:
    """Stop a program as a debugger would."""

    def hang() -> Callable[[], object]:
        pids = machine.shell(f"pidof {program}").split()
        machine.run("kill", "-STOP", *pids)
        return lambda: machine.run("kill", "-CONT", *pids)

    return hang


def waiting_in_runc(machine: Machine) -> Callable[[], Callable[[], object]]:
    """Let what makes the process wait, so that Docker is in the middle of a start."""
    machine.shell(RUNC_THAT_WAITS)

    def hang() -> Callable[[], object]:
        machine.run("touch", "/run/hang")
        return lambda: machine.run("rm", "-f", "/run/hang")

    return hang


@contextmanager
def client_through(
    server: servers.KafkaServer, folder: Path, machine: Machine, freezer: Freezer
) -> Iterator[tuple[ClientProcess, Listener]]:
    """Yield a client at work whose way to the machine's Docker the freezer listens on."""
    there = machine.socket.removeprefix("unix://")
    proxy = DockerProxy(folder / "docker.sock", there, freezer.listen)
    try:
        with client_on(server, folder) as (client, listener):
            client.environment["ROTA_CLIENT_DOCKER"] = f"unix://{proxy.path}"
            client.start()
            listener.wait(lambda: listener.beats and listener.beats[-1].docker_ok)
            yield client, listener
    finally:
        freezer.let_go()
        proxy.close()


def starts_of(machine: Machine, job_id: str, since: datetime) -> list[str]:
    """Return the ids of the containers that Docker says it has started for a job."""
    argv = ["docker", "events", "--since", str(int(since.timestamp())),
            "--until", str(int(now().timestamp()) + 1), "--filter", "event=start",
            "--filter", f"label=io.rota.job={job_id}", "--format", "{{.ID}}"]  # fmt: skip
    return machine.run(*argv).split()


def last_word(listener: Listener, job_id: str) -> ContainerChanged | None:
    """Return what the platform takes for the state of a job: what was told last."""
    told = listener.of(job_id)
    return told[-1] if told else None


def judge(told: ContainerChanged | None, starts: list[str]) -> ContainerState:
    """Hold what is told of a job against what Docker did; return what it is told as."""
    assert told is not None
    if told.state is ContainerState.RUNNING:
        assert len(starts) == 1
    else:
        assert (told.state, told.stop_cause) == (ContainerState.REFUSED, StopCause.EXPIRED)
        assert starts == []
    return told.state


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["dockerd", "containerd", "runc"])
def test_what_a_hung_docker_may_start_yet_is_told_as_it_then_is(
    kafka_server: servers.KafkaServer, tmp_path: Path, machine: Machine, what: str
) -> None:
    freezer = Freezer(waiting_in_runc(machine) if what == "runc" else stopping(machine, what))
    with client_through(kafka_server, tmp_path, machine, freezer) as (client, listener):
        began, due = now(), now() + DUE_AFTER
        jobs = [f"hung{number}-{secrets.token_hex(3)}.20261123T080000Z.0" for number in range(JOBS)]
        for job_id in jobs:
            listener.send(client.node_id, start_of(client.node_id, job_id, "forever", due=due,
                                                   expires_at=due + WINDOW))  # fmt: skip
        listener.wait(lambda: freezer.has_frozen)
        time.sleep(max(0.0, (due + HANGS - now()).total_seconds()))
        freezer.let_go()
        listener.wait(lambda: all(last_word(listener, job_id) for job_id in jobs), 90)
        until = time.monotonic() + LATER_S
        listener.wait(lambda: time.monotonic() >= until, LATER_S + 5)
        states = [judge(last_word(listener, job_id), starts_of(machine, job_id, began))
                  for job_id in jobs]  # fmt: skip
    print(f"{what}: told as", *states)
    assert ContainerState.REFUSED in states, "some were not with Docker when it hung"
    if what == "runc":
        assert ContainerState.RUNNING in states, "what Docker was starting, it went on starting"
