"""All machines of a platform: those the file names and those its driver makes."""

from __future__ import annotations

from collections.abc import Callable

from platform_initializer.domain.description import Description
from platform_initializer.machines import Machine
from platform_initializer.machines.docker import DockerMachines
from platform_initializer.secret_store import SecretStore, public_key, write_private


class Fleet:
    """Makes, lists and destroys the machines of one platform."""

    def __init__(self, description: Description, store: SecretStore) -> None:
        self._description = description
        self._driver: DockerMachines | None = None
        if description.driver == "docker":
            key_file = description.store.with_name("tool_ed25519")
            key = store.text("tool_key")
            if not key_file.exists() or key_file.read_text(encoding="utf-8") != key:
                write_private(key_file, key)
            self._driver = DockerMachines(description, key_file, public_key(key))

    def provide(self, tell: Callable[[str], None]) -> list[Machine]:
        """Return all machines, made where they are missing."""
        made = self._driver.provide(tell) if self._driver else []
        return [*self._given(), *made]

    def existing(self) -> list[Machine]:
        """Return those that are there; makes none."""
        return [*self._given(), *(self._driver.existing() if self._driver else [])]

    def destroy(self) -> list[str]:
        """Remove the machines a driver made; return their names."""
        return self._driver.destroy() if self._driver else []

    def _given(self) -> list[Machine]:
        return [
            Machine(m.name, m.address, m.login, m.host_key, m.labels, m.is_local)
            for m in self._description.machines
        ]
