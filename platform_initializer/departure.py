"""`rota platform machine remove`: takes what is ours off one machine; refuses to lose data."""

from __future__ import annotations

import json

from common.ssh import SshDoor
from platform_initializer.domain.brokers import running_brokers, why_not_leave
from platform_initializer.domain.description import Description
from platform_initializer.down import STOP
from platform_initializer.errors import Failure, MachineError
from platform_initializer.gather import Gathered, reach
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
    gathered = reach(_fleet(description).existing(), description, door, lock=False)
    gathered.close()
    if silent := [failure for failure in gathered.failures if failure.machine == name]:
        raise MachineError(silent[0])
    there = gathered.facts[name].containers if name in gathered.facts else {}
    stores = [store for store in STORES if store in there]
    if stores := _without_a_spare_broker(description, name, stores, gathered):
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
    machines = [one for text in maps for one in json.loads(text)["machines"]]
    there = {service for one in machines if one["name"] == name
             for service in one["services"] if service in STORES}  # fmt: skip
    if lost := _without_a_spare_broker(description, name, sorted(there), gathered):
        raise MachineError(Failure(
            name, "removing the machine", f"the data of {' and '.join(lost)} was there",
            next_step="bring the machine back; if it is lost: `rota platform down --destroy`, then"
            " `rota platform restore` with your last backup",
        ))  # fmt: skip


def _without_a_spare_broker(
    description: Description, name: str, stores: list[str], gathered: Gathered
) -> list[str]:
    """Return the stores but for Kafka where another machine can take the broker's seat.

    One of several brokers that cannot be spared raises `MachineError`.
    """
    seats = SecretStore(description.store).broker_seats()
    if "kafka" not in stores or len(seats) < 2 or name not in seats:
        return stores
    names = [other for other in description.machine_names() if other != name]
    if why := why_not_leave(name, seats, running_brokers(gathered.facts), names):
        raise MachineError(Failure(
            name, "removing the machine", why,
            next_step="`rota platform machine add` another one first; or give a new machine this"
            " name: its broker takes the seat and copies what the others have",
        ))  # fmt: skip
    return [store for store in stores if store != "kafka"]


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
