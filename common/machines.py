"""The machines' map, ``/etc/rota/platform.json``, as the services that reach machines read it."""

from __future__ import annotations

import msgspec

from common.errors import ConfigError


class Machine(msgspec.Struct, frozen=True):
    """One machine of the map; other fields are other services' business."""

    name: str
    address: str
    ssh_port: int = 22
    host_key: str | None = None
    local: bool = False


class _Map(msgspec.Struct, frozen=True):
    machines: tuple[Machine, ...] = ()


def read_machines(text: str) -> dict[str, Machine]:
    """Read the map; `ConfigError` when it is none."""
    try:
        found = msgspec.json.decode(text, type=_Map)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"the machines' map is wrong: {error}") from error
    return {machine.name: machine for machine in found.machines}
