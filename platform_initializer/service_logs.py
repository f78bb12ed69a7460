"""`rota platform logs`: one service's log from all its machines, as one stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Self

from common.errors import RotaError
from common.ssh import SshDoor
from platform_initializer.domain.description import Description
from platform_initializer.errors import PartlyDoneError
from platform_initializer.gather import Gathered, reach, side_by_side
from platform_initializer.host import Host
from platform_initializer.machines.fleet import Fleet
from platform_initializer.secret_store import SecretStore

_TAIL = 'docker logs --timestamps --tail "$2" "$1" 2>&1'
_FOLLOW = 'exec docker logs --timestamps --tail "$2" -f "$1" 2>&1'
_QUIET_S = 3600.0


class LogsOf:
    """The log of a service on every machine it runs on. Use as a context: it keeps connections."""

    def __init__(self, description: Description, door: SshDoor, service: str) -> None:
        self._description = description
        self._door = door
        self._service = service
        self._gathered = Gathered()

    def __enter__(self) -> Self:
        store = SecretStore(self._description.store)
        store.complete(keep=False)
        machines = Fleet(self._description, store).existing()
        self._gathered = reach(machines, self._description, self._door, lock=False)
        if self._gathered.failures and not self._gathered.hosts:
            raise PartlyDoneError(self._gathered.failures, 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._gathered.close()

    def machines(self) -> list[str]:
        """Name the machines that have the service."""
        return [n for n, f in self._gathered.facts.items() if self._service in f.containers]

    def last(self, count: int) -> list[str]:
        """Return the last lines of all machines, oldest first."""
        hosts = [self._gathered.hosts[name] for name in self.machines()]

        def one(host: Host) -> list[str]:
            said = host.script("reading its log", _TAIL, self._container, str(count))
            return [_line(host.name, line) for line in said.splitlines()]

        found = side_by_side(hosts, one, self._description.parallel)
        lines = [line for _, lines in found if not isinstance(lines, RotaError) for line in lines]
        return sorted(lines, key=lambda line: line.split(" ", 1)[0])[-count:]

    def follow(self, count: int) -> Iterator[str]:
        """Yield the last lines and then each as it comes, until all machines fell silent."""
        lines: queue.Queue[str | None] = queue.Queue()
        names = self.machines()
        for name in names:
            host = self._gathered.hosts[name]
            threading.Thread(target=self._pump, args=(host, count, lines), daemon=True).start()
        ended = 0
        while ended < len(names):
            line = lines.get()
            if line is None:
                ended += 1
            else:
                yield line

    @property
    def _container(self) -> str:
        return f"rota-{self._service.replace('_', '-')}"

    def _pump(self, host: Host, count: int, lines: queue.Queue[str | None]) -> None:
        try:
            with host.streaming(_FOLLOW, self._container, str(count)) as stream:
                while True:
                    raw = stream.read_until(b"\n", _QUIET_S)
                    lines.put(_line(host.name, raw.decode("utf-8", "replace").rstrip()))
        except RotaError:
            lines.put(None)


def _line(machine: str, line: str) -> str:
    """Put the machine behind the time that Docker wrote."""
    moment, _, text = line.partition(" ")
    return f"{moment} {machine} {text}"
