"""Who did what to a platform, when, and how it ended: beside the secret store and on the machines.

Both are lines of JSON that only grow; no argument that may hold a secret is written.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.clock import Clock
from common.errors import RotaError
from platform_initializer.host import Host

ON_MACHINES = "/var/lib/rota/audit.jsonl"
_APPEND = """\
set -eu
umask 077
mkdir -p "${2%/*}"
printf '%s\\n' "$1" >> "$2"
"""


@dataclass
class Note:
    """One command while it runs; the one who runs it fills in `changes`."""

    command: str
    changes: int = 0


@contextmanager
def audited(store: Path, command: str, clock: Clock) -> Iterator[Note]:
    """Write one line when the command ends, however it ends."""
    note, began = Note(command), clock.now()
    outcome = "interrupted"
    try:
        yield note
        outcome = "done"
    except RotaError as error:
        outcome = f"failed: {error}"
        note.changes = getattr(error, "done", note.changes)
        raise
    finally:
        spent = (clock.now() - began).total_seconds()
        _append(path_of(store), {
            "at": began.isoformat(timespec="seconds"), "who": who(), "command": note.command,
            "outcome": outcome[:300], "changes": note.changes, "seconds": round(spent, 1),
        })  # fmt: skip


def note_on(host: Host, at: str, command: str, changes: int) -> None:
    """Leave a line on a machine that was changed."""
    line = {"at": at, "who": who(), "command": command, "changes": changes}
    host.script("noting who changed it", _APPEND, json.dumps(line), ON_MACHINES)


def read_there(host: Host) -> list[dict[str, Any]]:
    """Return a machine's own lines, oldest first."""
    said = host.script("reading who changed it", 'cat "$1" 2> /dev/null || true', ON_MACHINES)
    return parse_lines(said.splitlines())


def read_here(store: Path) -> list[dict[str, Any]]:
    """Return the lines beside the store, oldest first."""
    path = path_of(store)
    return parse_lines(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []


def parse_lines(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Read what can be read; a line cut short by a full disk is passed over."""
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def path_of(store: Path) -> Path:
    """Name the log beside a store."""
    return store.with_name("audit.jsonl")


def who() -> str:
    """Name the person and the machine the command runs on, and where they logged in from."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    ssh = os.environ.get("SSH_CLIENT", "").split(" ")[0]
    return f"{user}@{socket.gethostname()}" + (f" from {ssh}" if ssh else "")


def _append(path: Path, entry: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
