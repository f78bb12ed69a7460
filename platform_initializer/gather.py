"""Reaches all machines side by side: connect, lock, and learn what is true of each.

A machine that cannot be reached or used is a `Failure`; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TypeVar

from common.errors import RotaError
from common.ssh import (
    HostKeyError,
    SshAuthenticationError,
    SshConnection,
    SshDoor,
    SshTarget,
    SshUnreachableError,
)
from platform_initializer.domain.description import Description
from platform_initializer.domain.facts import Facts, parse_facts
from platform_initializer.errors import Failure, LockHeldError, MachineError
from platform_initializer.host import Host
from platform_initializer.local import LocalConnection
from platform_initializer.machines import Machine

FACTS_SCRIPT = files("platform_initializer").joinpath("facts.sh").read_text("utf-8")
USUAL_S = 10.0
"""The time a machine has to let one in, where the file gives it no other."""
In = TypeVar("In")
Out = TypeVar("Out")


@dataclass
class Gathered:
    """What answered, by name, and what did not. Owned by the thread that gathers."""

    hosts: dict[str, Host] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def close(self) -> None:
        """Let go of every machine."""
        for host in self.hosts.values():
            host.close()


def reach(
    machines: Sequence[Machine], description: Description, door: SshDoor, *,
    lock: bool = True, full: bool = False,
) -> Gathered:  # fmt: skip
    """Connect to every machine, take its lock, gather its facts; raise `LockHeldError`."""
    gathered = Gathered()

    def one(machine: Machine) -> tuple[Host, Facts]:
        connection = _connect(machine, door, description.connect_timeout_s)
        host = Host(machine.name, connection, max(1.0, description.connect_timeout_s / USUAL_S))
        try:
            if lock:
                host.take_lock()
            return host, facts_of(host, description.platform, full=full)
        except Exception:
            host.close()
            raise

    for machine, found in side_by_side(machines, one, description.parallel):
        if isinstance(found, LockHeldError):
            gathered.close()
            raise found
        if isinstance(found, RotaError):
            gathered.failures.append(failure_of(machine.name, "reaching it", found))
        else:
            gathered.hosts[machine.name], gathered.facts[machine.name] = found
    return gathered


def gather_facts(hosts: Mapping[str, Host], platform: str, parallel: int) -> dict[str, Facts]:
    """Gather the facts of all machines again; raise the first `MachineError`."""
    found = {}
    for host, facts in side_by_side(
        list(hosts.values()), lambda host: facts_of(host, platform), parallel
    ):
        if isinstance(facts, RotaError):
            raise facts
        found[host.name] = facts
    return found


def facts_of(host: Host, platform: str, *, full: bool = False) -> Facts:
    """Gather one machine's facts in one round trip; `full` takes longer, for the doctor."""
    argv = ["sh", "-s", "--", platform, *(["full"] if full else [])]
    said = host.feed("gathering facts", argv, FACTS_SCRIPT.encode(), 60.0)
    return parse_facts(said)


def failure_of(machine: str, what: str, error: RotaError) -> Failure:
    """Tell an error as a failure with what to do about it."""
    if isinstance(error, MachineError):
        return error.failure
    why = str(error).removeprefix(f"{machine}: ")  # without its name, equal ones can be folded
    return Failure(machine, what, why, next_step=_ADVICE.get(type(error)))


def side_by_side(
    items: Iterable[In], work: Callable[[In], Out], parallel: int
) -> list[tuple[In, Out | RotaError]]:
    """Do the work for all at once; an error of ours is an answer."""

    def safely(item: In) -> Out | RotaError:
        try:
            return work(item)
        except RotaError as error:
            return error

    listed = list(items)
    with ThreadPoolExecutor(max(1, min(parallel, len(listed)))) as threads:
        return list(zip(listed, threads.map(safely, listed), strict=True))


def _connect(machine: Machine, door: SshDoor, timeout_s: float) -> SshConnection:
    if machine.is_local:
        return LocalConnection()
    if machine.host_key is None:
        raise _unpinned(machine, door, timeout_s)
    login = machine.login
    target = SshTarget(
        machine.name, machine.address, login.user, machine.host_key, login.port, login.keys
    )
    return door.connect(target, timeout_s)


def _unpinned(machine: Machine, door: SshDoor, timeout_s: float) -> MachineError:
    shown = door.scan_host_key(machine.address, machine.login.port, timeout_s)
    return MachineError(Failure(
        machine.name, "checking its host key",
        f"none is pinned; it shows {shown}; nothing was sent",
        next_step="compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on its console,"
        f' then write host_key: "{shown}" beside its address',
    ))  # fmt: skip


_ADVICE: dict[type[RotaError], str] = {
    HostKeyError: "if the machine was made anew, compare with `ssh-keygen -lf"
    " /etc/ssh/ssh_host_ed25519_key.pub` on its console and change host_key; else somebody may"
    " stand between you and it",
    SshAuthenticationError: "put your public key into its authorized_keys there, or name another"
    " user or key in the platform's file: ssh: {user: ..., keys: [FILE]}",
    SshUnreachableError: "see that it is up, that sshd runs and that nothing blocks the port",
}
