"""Machines that another program makes and lists, such as ``terraform output -json``.

The program is run as a list of words, never by a shell. What it prints is JSON: a list of machines,
or an object that holds one under `machines` (also in Terraform's form, under `value`). A machine is
``{"name", "address", "host_key", "user", "port"}``; the last two may be left out.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_initializer.domain.description import SshLogin
from platform_initializer.errors import Failure, MachineError
from platform_initializer.machines import Machine
from platform_initializer.machines.pooled import Wanted
from platform_initializer.machines.waiting import wait_for_ssh

LIST_TIMEOUT_S = 120.0
CHANGE_TIMEOUT_S = 1800.0
SSH_TIMEOUT_S = 300.0


class CommandMaker:
    """Runs the file's programs in the file's folder.

    `create` and `remove` get the machines' names as further words; where `create` is absent, a
    machine that is not listed is an error, since nobody here can make it.
    """

    def __init__(
        self, options: Mapping[str, tuple[str, ...]], folder: Path, login: SshLogin
    ) -> None:
        self._options = options
        self._folder = folder
        self._login = login
        self._lock = threading.Lock()  # such programs keep a state that two of them may not write

    def listed(self) -> dict[str, bool]:
        return {str(entry["name"]): True for entry in self._entries()}

    def check(self) -> None:
        if "create" not in self._options:
            raise MachineError(Failure(
                "this host", "making machines", "the file names no program that makes them",
                next_step="make them (terraform apply), or give `create` under provision:",
            ))  # fmt: skip

    def make(self, wanted: Wanted) -> None:
        self._run(wanted.name, [*self._options["create"], wanted.name], CHANGE_TIMEOUT_S)

    def start(self, wanted: Wanted) -> None:
        """Do nothing: what is listed counts as running."""

    def reach(self, wanted: Wanted) -> Machine:
        found = next((e for e in self._entries() if e["name"] == wanted.name), None)
        if found is None:
            raise MachineError(Failure(
                wanted.name, "looking for the machine", "its program does not list it",
                " ".join(self._options["list"]),
                next_step="see that `create` made it and that `list` prints it",
            ))  # fmt: skip
        login = SshLogin(
            str(found.get("user", self._login.user)), int(found.get("port", self._login.port)),
            self._login.keys,
        )  # fmt: skip
        address = str(found["address"])
        wait_for_ssh(wanted.name, address, login.port, SSH_TIMEOUT_S)
        pin = found.get("host_key")
        labels = {**wanted.pool.labels, **found.get("labels", {})}
        return Machine(wanted.name, address, login, str(pin) if pin else None, labels)

    def remove(self, names: Sequence[str]) -> None:
        if "remove" not in self._options:
            raise MachineError(Failure(
                "this host", "removing machines", "the file names no program that removes them",
                next_step="remove them (terraform destroy), or give `remove` under provision:",
            ))  # fmt: skip
        self._run(", ".join(names), [*self._options["remove"], *names], CHANGE_TIMEOUT_S)

    def _entries(self) -> list[dict[str, Any]]:
        argv = list(self._options["list"])
        said = self._run("this host", argv, LIST_TIMEOUT_S)
        try:
            return machines_of(json.loads(said))
        except ValueError as error:
            raise MachineError(Failure(
                "this host", "listing machines", f"what it printed is no list of machines: {error}",
                " ".join(argv), last_lines=tuple(said.splitlines()[-5:]),
                next_step='print [{"name": ..., "address": ..., "host_key": ...}]',
            )) from error  # fmt: skip

    def _run(self, machine: str, argv: Sequence[str], timeout_s: float) -> str:
        try:
            with self._lock:
                done = subprocess.run(
                    list(argv), cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True,
                    text=True, check=False, timeout=timeout_s,
                )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MachineError(Failure(
                machine, f"running {argv[0]}", str(error), " ".join(argv),
                next_step="see that the program is there and ends by itself",
            )) from error  # fmt: skip
        if done.returncode == 0:
            return done.stdout
        said = (done.stderr or done.stdout).strip().splitlines()
        raise MachineError(Failure(
            machine, f"running {argv[0]}", said[-1] if said else "it said nothing",
            " ".join(argv), done.returncode, tuple(said[-8:]), "run it by hand in the same folder",
        ))  # fmt: skip


def machines_of(printed: object) -> list[dict[str, Any]]:
    """Return the machines of what a program printed; raise `ValueError` saying what is wrong."""
    for key in ("machines", "value"):
        if isinstance(printed, dict) and key in printed:
            printed = printed[key]
    if isinstance(printed, dict):
        printed = [
            {"name": name, **entry} if isinstance(entry, dict) else entry
            for name, entry in printed.items()
        ]
    if not isinstance(printed, list):
        raise ValueError("neither a list nor an object with `machines`")  # noqa: TRY004
    for entry in printed:
        if not isinstance(entry, dict) or not entry.get("name") or not entry.get("address"):
            raise ValueError(f"{entry!r} has no name or no address")
    names = [entry["name"] for entry in printed]
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twins)} is there twice")
    return printed
