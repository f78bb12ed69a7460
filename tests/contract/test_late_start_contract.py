"""A start that reached Docker's socket and was not answered: what is told of it, and when.

The client is the real one, and so is Docker; between them the start waits as long as a test wants.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import ManualClock
from common.messages import ContainerState, StopCause
from node_manager.client.deadlines import Lane
from node_manager.client.domain.attempt import Key, Status
from node_manager.client.domain.container import Owner
from node_manager.client.engine import docker_engine as docker_door
from node_manager.client.engine.docker_engine import DockerEngine
from tests.service.node_manager.client_bench import Bench
from tests.support.clients import now, remove_containers_of, start_of
from tests.support.docker_proxy import DockerProxy
from tests.support.servers import ensure_image

WINDOW = timedelta(seconds=5)


class LateStarts:
    """Keeps a start from Docker, though its client leaves, until it is let go."""

    def __init__(self) -> None:
        self._may_pass = threading.Event()
        self.passes_at_removal = False
        self.before_removal = lambda: None

    def listen(self, chunk: bytes) -> None:
        if b"/start HTTP" in chunk:
            self._may_pass.wait(30)
        if chunk.startswith(b"DELETE ") and self.passes_at_removal:
            self.let_go()
            self.before_removal()

    def let_go(self) -> None:
        self._may_pass.set()


class Scene:
    """One client on the real Docker behind a late start; `job` is due now."""

    def __init__(self, folder: Path, owner: Owner, late: LateStarts) -> None:
        self.late = late
        self.proxy = DockerProxy(folder / "docker.sock", listen=late.listen)
        self.docker = DockerEngine(owner)
        self.bench = Bench(folder, owner)
        self.bench.clock = ManualClock(now())
        self.bench.engine = DockerEngine(owner, f"unix://{self.proxy.path}")
        self.bench.restart()
        due = self.bench.clock.now()
        self.command = start_of(owner.node_id, f"{owner.node_id}.20261123T080000Z.0", "forever",
                                due=due, expires_at=due + WINDOW)  # fmt: skip
        self.key = Key(self.command.job_id, 1)

    def ask_in_vain(self) -> None:
        """Take the command and tell Docker to start it; its answer does not come in time."""
        self.bench.receive(self.command)
        self.bench.agent.work_once(Lane.AHEAD, 0.0)
        found = self.docker.inspect(self.key.name)
        assert found is not None
        assert found.status is Status.CREATED

    def close_window(self) -> None:
        for _ in range(2):  # it is looked at again a second after an answer was missed
            self.bench.clock.advance(WINDOW)
            self.bench.work()

    def wait_for_start(self) -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            found = self.docker.inspect(self.key.name)
            if found is None or found.status is Status.RUNNING:
                return
            time.sleep(0.02)

    def close(self) -> None:
        self.late.let_go()
        self.bench.engine.close()
        self.docker.close()
        self.proxy.close()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    ensure_image("demo-app")
    monkeypatch.setattr(docker_door, "START_S", 1.0)
    owner = Owner("test", f"test-{secrets.token_hex(4)}")
    made = Scene(tmp_path, owner, LateStarts())
    yield made
    made.close()
    remove_containers_of(owner.node_id)


def test_what_docker_starts_while_it_is_withdrawn_is_told_as_running(scene: Scene) -> None:
    scene.ask_in_vain()
    scene.late.passes_at_removal = True
    scene.late.before_removal = scene.wait_for_start
    scene.close_window()
    found = scene.docker.inspect(scene.key.name)
    assert found is not None
    assert found.status is Status.RUNNING
    assert scene.bench.states() == [ContainerState.RUNNING]


def test_what_was_withdrawn_is_told_as_missed_and_starts_nothing_later(scene: Scene) -> None:
    scene.ask_in_vain()
    scene.close_window()
    (report,) = scene.bench.told()
    assert (report.state, report.stop_cause) == (ContainerState.REFUSED, StopCause.EXPIRED)
    scene.late.let_go()  # Docker is told now to start what is no more
    scene.wait_for_start()
    assert scene.docker.inspect(scene.key.name) is None
    scene.close_window()
    assert scene.bench.states() == [ContainerState.REFUSED]
