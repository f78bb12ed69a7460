"""Data stores are never downgraded: an older server may not read what a newer one wrote."""

from __future__ import annotations

import re

from platform_initializer.errors import Failure, MachineError
from platform_initializer.host import Host

# Asked of the images themselves, on the machine, since a name like `:dev` tells no version.
_ASK = """\
for image in "$@"; do
    docker run --rm --network none --entrypoint sh "$image" -c \\
        'mysqld --version 2> /dev/null || ls /opt/kafka/libs 2> /dev/null' | tr '\\n' ' '
    echo
done
"""
_VERSIONS = (
    re.compile(r"Ver ([0-9]+(?:\.[0-9]+)+)"),
    re.compile(r"\bkafka_[0-9.]+-([0-9]+(?:\.[0-9]+)+)\.jar"),
)


def version_of(said: str) -> tuple[int, ...] | None:
    """Read a server's version from what its image says; None where it says none."""
    for form in _VERSIONS:
        if found := form.search(said):
            return tuple(int(part) for part in found[1].split("."))
    return None


def refuse_older(host: Host, service: str, there: str, wanted: str) -> None:
    """Raise `MachineError` when the wanted image holds an older server than the one that ran.

    Where a version cannot be read nothing is refused: an image of another maker may not tell it.
    """
    if there == wanted:
        return
    said = host.script(f"comparing versions of {service}", _ASK, there, wanted)
    old, new = (version_of(line) for line in [*said.splitlines(), "", ""][:2])
    if old is None or new is None or new >= old:
        return
    shown = [".".join(map(str, version)) for version in (old, new)]
    raise MachineError(Failure(
        host.name, f"replacing {service}", f"{shown[0]} runs there, {shown[1]} is older",
        next_step="data stores are never downgraded: build or pull an image that is as new, or"
        " restore a backup on an empty platform",
    ))  # fmt: skip
