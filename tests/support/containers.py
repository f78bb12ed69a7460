"""Containers of jobs as the platform client makes them, with nobody to look after them."""

import secrets
import time
from collections.abc import Callable

from node_manager.client.domain.attempt import Status
from node_manager.client.domain.container import Owner, Policy, plan_container
from node_manager.client.engine import Seen
from node_manager.client.engine.docker_engine import DockerEngine
from tests.support.clients import remove_containers_of, start_of


class Containers:
    """Those of one node that no other test knows, on the engine made for its owner."""

    def __init__(self, engine: Callable[[Owner], DockerEngine] = DockerEngine) -> None:
        self.owner = Owner("test", f"test-{secrets.token_hex(4)}")
        self.engine = engine(self.owner)

    def start(self, *command: str, **fields: object) -> str:
        """Start one at once and return its name; `fields` are those of a start command."""
        key = f"{self.owner.node_id}-{secrets.token_hex(2)}.0"
        made = plan_container(start_of(self.owner.node_id, key, *command, **fields),
                              self.owner, Policy())
        self.engine.create(made)
        self.engine.start(made.name)
        return made.name

    def wait(self, name: str, timeout_s: float = 60.0) -> Seen:
        """Return how it ended; AssertionError with its last words where it runs on."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            seen = self.engine.inspect(name)
            if seen is not None and seen.status is Status.EXITED:
                return seen
            time.sleep(0.05)
        raise AssertionError(f"{name} runs still: {self.output(name)[-500:]}")

    def output(self, name: str) -> str:
        return b"".join(self.engine.logs(name, tail=None, follow=False)).decode()

    def close(self) -> None:
        self.engine.close()
        remove_containers_of(self.owner.node_id)
