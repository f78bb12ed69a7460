"""Machines of a cloud: made, listed and destroyed through Apache Libcloud, never deployed by it.

A machine carries the platform and its name as tags from the request that makes it on, so one made
just before this tool was killed is found by the next run. cloud-init gives it a host key of ours.
The address is the private one: all services bind to it, so the tool runs where it can be reached.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from platform_initializer.domain.description import SshLogin
from platform_initializer.errors import Failure, MachineError
from platform_initializer.machines import Machine
from platform_initializer.machines.pooled import Wanted
from platform_initializer.machines.seed import MARK_MACHINE, MARK_PLATFORM, USER, Seed

ADDRESS_TIMEOUT_S = 300.0
SSH_TIMEOUT_S = 300.0
PAUSE_S = 2.0
_GONE = {"terminated", "shutting-down", "unknown", "error"}


class Cloud(Protocol):
    """What differs between clouds. `driver` is Libcloud's."""

    driver: Any

    def tags_of(self, node: Any) -> Mapping[str, str]:
        """Return a node's tags."""

    def create(self, wanted: Wanted, told: Mapping[str, Any]) -> None:
        """Ask for one node with ``name``, ``tags``, ``user_data`` and ``token`` of `told`."""


class CloudMaker:
    """Makes them on one cloud. `seed_of` gives a machine's keys, kept before they are used."""

    def __init__(
        self, platform: str, cloud: Cloud, seed_of: Callable[[str], Seed],
        door: tuple[str, Callable[[str, str, int, float], None]],
    ) -> None:  # fmt: skip
        self._platform = platform
        self._cloud = cloud
        self._seed_of = seed_of
        self._key_file, self._wait_for_ssh = door

    def listed(self) -> dict[str, bool]:
        return {name: node.state == "running" for name, node in self._nodes().items()}

    def check(self) -> None:
        """Do nothing: listing has shown already that the cloud answers and takes the key."""

    def make(self, wanted: Wanted) -> None:
        name = wanted.name
        with translated(name, "asking the cloud for a machine"):
            before = [n for n in self._ours() if self._name_of(n) == name]
            self._cloud.create(wanted, {
                "name": f"rota-{self._platform}-{name}",
                "tags": {MARK_PLATFORM: self._platform, MARK_MACHINE: name},
                "user_data": self._seed_of(name).user_data(),
                "token": _token(self._platform, name, len(before)),
            })  # fmt: skip

    def start(self, wanted: Wanted) -> None:
        node = self._nodes()[wanted.name]
        if node.state == "stopped":
            with translated(wanted.name, "starting the machine"):
                self._cloud.driver.start_node(node)

    def reach(self, wanted: Wanted) -> Machine:
        address = self._address_of(wanted.name)
        self._wait_for_ssh(wanted.name, address, 22, SSH_TIMEOUT_S)
        login = SshLogin(USER, 22, (self._key_file,))
        pin = self._seed_of(wanted.name).fingerprint
        return Machine(wanted.name, address, login, pin, dict(wanted.pool.labels))

    def remove(self, names: Sequence[str]) -> None:
        nodes = self._nodes()
        for name in names:
            if name in nodes:
                with translated(name, "destroying the machine"):
                    self._cloud.driver.destroy_node(nodes[name])

    def _address_of(self, name: str) -> str:
        deadline = time.monotonic() + ADDRESS_TIMEOUT_S
        while True:
            node = self._nodes().get(name)
            if node is not None and node.state == "running" and node.private_ips:
                return str(node.private_ips[0])
            if time.monotonic() > deadline:
                state = "not listed" if node is None else node.state
                raise MachineError(Failure(
                    name, "waiting for its address",
                    f"after {ADDRESS_TIMEOUT_S:.0f} s it is {state}",
                    next_step="look at it in the cloud's own console",
                ))  # fmt: skip
            time.sleep(PAUSE_S)

    def _nodes(self) -> dict[str, Any]:
        """Return the living ones by name; two of one name are refused, not guessed about."""
        with translated("this cloud", "listing machines"):
            living = [node for node in self._ours() if str(node.state) not in _GONE]
        found: dict[str, Any] = {}
        for node in living:
            if (name := self._name_of(node)) in found:
                raise MachineError(Failure(
                    name, "listing machines", f"{found[name].id} and {node.id} both carry its name",
                    next_step=f"destroy one of them, or change its tag {MARK_MACHINE}",
                ))  # fmt: skip
            found[name] = node
        return found

    def _ours(self) -> list[Any]:
        return [node for node in self._cloud.driver.list_nodes()
                if self._cloud.tags_of(node).get(MARK_PLATFORM) == self._platform]  # fmt: skip

    def _name_of(self, node: Any) -> str:
        return self._cloud.tags_of(node)[MARK_MACHINE]


def _token(platform: str, name: str, generation: int) -> str:
    """Name a request so that the same one, sent twice, makes one machine (EC2, at most 64 signs).

    A cloud remembers the token of a machine that is gone for a while, hence the generation.
    """
    return "rota-" + hashlib.sha256(f"{platform}/{name}/{generation}".encode()).hexdigest()[:40]


@contextmanager
def translated(machine: str, what: str) -> Iterator[None]:
    """Turn Libcloud's errors, and the sockets' below it, into `MachineError`."""
    from libcloud.common.exceptions import BaseHTTPError
    from libcloud.common.types import InvalidCredsError, LibcloudError

    try:
        yield
    except InvalidCredsError as error:
        raise MachineError(Failure(
            machine, what, f"the cloud refuses the credentials: {error}",
            next_step="set ROTA_CLOUD_USER and ROTA_CLOUD_SECRET_FILE to those of its API",
        )) from error  # fmt: skip
    except (LibcloudError, BaseHTTPError, OSError) as error:
        raise MachineError(Failure(
            machine, what, str(error) or type(error).__name__,
            next_step="run the same command again; what was made meanwhile is found and kept",
        )) from error  # fmt: skip
    except Exception as error:  # Libcloud raises bare ones for what a cloud answers
        if type(error) is not Exception and not isinstance(error, (KeyError, ValueError)):
            raise
        raise MachineError(Failure(
            machine, what, str(error), next_step="look at the names under provision:",
        )) from error  # fmt: skip
