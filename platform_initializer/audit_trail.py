"""`rota platform audit`: the lines kept here and on the machines, in the order of time."""

from __future__ import annotations

from typing import Any

from common.errors import RotaError
from common.ssh import SshDoor
from platform_initializer.audit import read_here, read_there
from platform_initializer.domain.description import Description
from platform_initializer.gather import reach, side_by_side
from platform_initializer.machines.fleet import Fleet
from platform_initializer.secret_store import SecretStore

HERE = "(here)"


def trail(description: Description, door: SshDoor | None) -> list[dict[str, Any]]:
    """Return all lines; without a door only those kept here. A silent machine is a line, too."""
    rows = [{"machine": HERE, **line} for line in read_here(description.store)]
    store = SecretStore(description.store)
    if door is not None and not store.is_new:
        rows += _there(description, door, store)
    return sorted(rows, key=lambda row: str(row.get("at", "")))


def _there(
    description: Description, door: SshDoor, store: SecretStore
) -> list[dict[str, Any]]:
    store.complete(keep=False)
    gathered = reach(Fleet(description, store).existing(), description, door, lock=False)
    rows: list[dict[str, Any]] = [
        {"at": "", "machine": failure.machine, "outcome": f"not asked: {failure.why}"}
        for failure in gathered.failures
    ]
    try:
        for host, lines in side_by_side(gathered.hosts.values(), read_there, description.parallel):
            if isinstance(lines, RotaError):
                rows.append({"at": "", "machine": host.name, "outcome": f"not asked: {lines}"})
            else:
                rows += [{"machine": host.name, **line} for line in lines]
    finally:
        gathered.close()
    return rows
