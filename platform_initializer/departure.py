"""`rota platform machine remove`: takes what is ours off one machine; refuses to lose data."""

from __future__ import annotations

import json

from common.ssh import SshDoor
from platform_initializer.domain.description import Description
from platform_initializer.down import STOP
from platform_initializer.errors import Failure, MachineError
from platform_initializer.gather import reach
from platform_initializer.machines.fleet import Fleet
from platform_initializer.progress import Progress
from platform_initializer.secret_store import SecretStore
from platform_initializer.steps.containers import STORES
from platform_initializer.world import MAP


def check_may_leave(description: Description, door: SshDoor, name: str) -> None:
    """Raise `MachineError` when the machine is not known or its data would be lost."""
    if name not in description.machine_names():
        raise MachineError(Failure(
            name, "finding the machine", "the file names none of this name",
            next_step=f"it names {', '.join(description.machine_names())}",
        ))  # fmt: skip
    fleet = _fleet(description)
    here = [machine for machine in fleet.existing() if machine.name == name]
    gathered = reach(here, description, door, lock=False)
    try:
        if gathered.failures:
            raise MachineError(gathered.failures[0])
        stores = [store for facts in gathered.facts.values()
                  for store in STORES if store in facts.containers]  # fmt: skip
    finally:
        gathered.close()
    if stores:
        raise MachineError(Failure(
            name, "removing the machine", f"the data of {' and '.join(stores)} is there",
            next_step="data stores are not moved; keep this machine, or take the whole platform"
            " down with its data",
        ))  # fmt: skip


def check_dead_took_no_data(description: Description, door: SshDoor, name: str) -> None:
    """Raise `MachineError` when the map on the other machines says that a store was there.

    Without it the platform would begin anew, empty, where another machine has room.
    """
    others = [machine for machine in _fleet(description).existing() if machine.name != name]
    gathered = reach(others, description, door, lock=False)
    if not gathered.hosts:
        raise MachineError(Failure(
            name, "removing the machine", "no other machine answers to tell what ran there",
            next_step="bring another one back, or destroy the platform and restore a backup",
        ))  # fmt: skip
    try:
        maps = [host.command("reading the map", ["cat", MAP]) for host in gathered.hosts.values()]
    finally:
        gathered.close()
    lost = {service for text in maps for one in json.loads(text)["machines"]
            if one["name"] == name for service in one["services"] if service in STORES}  # fmt: skip
    if lost:
        raise MachineError(Failure(
            name, "removing the machine", f"the data of {' and '.join(sorted(lost))} was there",
            next_step="bring the machine back; if it is lost: `rota platform down --destroy`, then"
            " `rota platform restore` with your last backup",
        ))  # fmt: skip


def leave(
    description: Description, door: SshDoor, progress: Progress, name: str, *, is_dead: bool = False
) -> None:  # fmt: skip
    """Remove what is ours from a machine, and the machine itself where a driver made it."""
    fleet = _fleet(description)
    if not is_dead:
        here = [machine for machine in fleet.existing() if machine.name == name]
        gathered = reach(here, description, door)
        try:
            if gathered.failures:
                raise MachineError(gathered.failures[0])
            for host in gathered.hosts.values():
                host.script("taking the platform off", STOP, description.platform, "destroy",
                            timeout_s=180.0)  # fmt: skip
        finally:
            gathered.close()
        progress.say(f"{name}: nothing of ours is left")
    if fleet.destroy_one(name):
        progress.say(f"{name}: the machine is gone")


def _fleet(description: Description) -> Fleet:
    store = SecretStore(description.store)
    store.complete(keep=False)
    return Fleet(description, store)
