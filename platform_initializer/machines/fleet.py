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
        self._key_file = description.store.with_name("tool_ed25519")
        self._key = store.text("tool_key")
        if description.driver == "docker":
            public = public_key(self._key)
            self._driver = DockerMachines(description, self._key_file, public)

    def provide(self, tell: Callable[[str], None]) -> list[Machine]:
        """Return all machines, made where they are missing."""
        if self._driver:
            self._write_key()
        made = self._driver.provide(tell) if self._driver else []
        return [*self._given(), *made]

    def missing(self) -> list[str]:
        """Name the machines that a driver would have to make."""
        return self._driver.missing() if self._driver else []

    def existing(self) -> list[Machine]:
        """Return those that are there; makes none."""
        made = self._driver.existing() if self._driver else []
        if made:
            self._write_key()
        return [*self._given(), *made]

    def destroy(self) -> list[str]:
        """Remove the machines a driver made; return their names."""
        return self._driver.destroy() if self._driver else []

    def destroy_one(self, name: str) -> bool:
        """Remove one machine if a driver made it; tell whether it did."""
        return self._driver.destroy_one(name) if self._driver else False

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
