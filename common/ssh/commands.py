"""Remote commands as data: how a list becomes a shell's word, and how a file is written.

The only place that quotes. Scripts are constant; what varies is an argument of theirs.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_WRITE_FILE = """\
set -eu
folder=$(dirname -- "$1")
draft=$(mktemp -- "$folder/.rota.XXXXXXXX")
trap 'rm -f -- "$draft"' EXIT
chmod -- "$2" "$draft"
cat > "$draft"
sync -- "$draft"
mv -fT -- "$draft" "$1"
trap - EXIT
sync -- "$folder"
"""


def command_line(argv: Sequence[str]) -> str:
    """Quote a command for the remote user's shell; [] is the empty command."""
    return shlex.join(argv)


def write_file(path: str, mode: int, *, sudo: bool) -> list[str]:
    """Return the command that writes its stdin to `path`: all of it, durably, or nothing."""
    argv = ["sh", "-c", _WRITE_FILE, "rota-put", path, f"{mode:04o}"]
    return ["sudo", "-n", "--", *argv] if sudo else argv
