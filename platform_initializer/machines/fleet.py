"""All machines of a platform: those the file names and those its driver makes."""

from __future__ import annotations

from pathlib import Path

from platform_initializer.domain.description import Description
from platform_initializer.machines import Machine
from platform_initializer.machines.pooled import Maker, PooledMachines, Tell
from platform_initializer.machines.seed import Seed
from platform_initializer.machines.waiting import wait_for_ssh
from platform_initializer.secret_store import SecretStore, public_key, write_private

DEFAULT_BASE = ".build/vm"
DEFAULT_BRIDGE = "docker0"


class Fleet:
    """Makes, lists and destroys the machines of one platform."""

    def __init__(self, description: Description, store: SecretStore) -> None:
        self._description = description
        self._key_file = description.store.with_name("tool_ed25519")
        self._key = store.text("tool_key")
        self._store = store
        self._tell: Tell = lambda _: None
        maker = self._maker()
        self._made = PooledMachines(description.pools, maker) if maker else None

    def provide(self, tell: Tell) -> list[Machine]:
        """Return all machines, made where they are missing."""
        if self._made is None:
            return self._given()
        self._write_key()
        self._tell = tell
        return [*self._given(), *self._made.provide(tell)]

    def missing(self) -> list[str]:
        """Name the machines that a driver would have to make."""
        return self._made.missing() if self._made else []

    def orphans(self) -> list[str]:
        """Name the machines a driver made for this platform that the file no longer names."""
        return self._made.orphans() if self._made else []

    def existing(self) -> list[Machine]:
        """Return those that are there; makes none."""
        made = self._made.existing() if self._made else []
        if made:
            self._write_key()
        return [*self._given(), *made]

    def destroy(self) -> list[str]:
        """Remove the machines a driver made; return their names."""
        return self._made.destroy() if self._made else []

    def destroy_one(self, name: str) -> bool:
        """Remove one machine if a driver made it; tell whether it did."""
        return self._made.destroy_one(name) if self._made else False

    def _maker(self) -> Maker | None:
        """Import what the file's driver needs, and only that."""
        here, platform = self._description, self._description.platform
        match here.driver:
            case "docker":
                from platform_initializer.machines.docker import DockerMaker

                return DockerMaker(platform, self._key_file, public_key(self._key))
            case "qemu":
                from platform_initializer.machines.qemu import QemuHost, QemuMaker

                base, bridge = here.options.get("base"), here.options.get("bridge")
                host = QemuHost(
                    Path(base[0] if base else DEFAULT_BASE).absolute(),
                    here.store.parent / f"machines-{platform}",
                    bridge[0] if bridge else DEFAULT_BRIDGE, str(self._key_file),
                )  # fmt: skip
                return QemuMaker(platform, host, self._seed_of, self._say)
            case "libcloud":
                from platform_initializer.machines.cloud import CloudMaker
                from platform_initializer.machines.clouds import cloud_of

                door = (str(self._key_file), wait_for_ssh)
                return CloudMaker(platform, cloud_of(here.options), self._seed_of, door)
            case "command":
                from platform_initializer.machines.command import CommandMaker

                return CommandMaker(here.options, here.folder, here.login)
            case _:
                return None

    def _say(self, text: str) -> None:
        self._tell(text)

    def _seed_of(self, name: str) -> Seed:
        key = self._store.machine_key(name)
        return Seed(name, key, public_key(key), public_key(self._key))

    def _write_key(self) -> None:
        """Keep the tool's own key beside the secrets, where SSH can read it."""
        path = self._key_file
        if not path.exists() or path.read_text(encoding="utf-8") != self._key:
            write_private(path, self._key)

    def _given(self) -> list[Machine]:
        return [
            Machine(m.name, m.address, m.login, m.host_key, m.labels, m.is_local)
            for m in self._description.machines
        ]
