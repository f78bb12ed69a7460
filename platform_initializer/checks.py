"""What would make the work fail on a machine, found before it begins. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from platform_initializer.domain.facts import Facts
from platform_initializer.domain.packages import install_commands
from platform_initializer.errors import Failure

GIB = 1 << 30
LEAST_MEMORY = 900 << 20
MOST_SKEW_S = 5


def problems_of(name: str, facts: Facts, bytes_to_come: int) -> list[Failure]:
    """Return what forbids working on a machine, each with reason and fix."""
    found = []
    needed = bytes_to_come + GIB // 2
    if facts.disk_free < needed:
        found.append(Failure(
            name, "checking its disk",
            f"{facts.disk_free / GIB:.1f} GiB are free, {needed / GIB:.1f} GiB are needed",
            next_step="free some space (df -h; docker system df) or give it a larger disk",
        ))  # fmt: skip
    if not facts.docker and not install_commands(facts):
        found.append(Failure(
            name, "checking for Docker Engine",
            f"Docker does not answer and {facts.os} has no apt-get or dnf to install it with"
            " from packages that we know",
            next_step="install Docker Engine by hand and start it",
        ))  # fmt: skip
    if not facts.docker and not facts.has_systemd:
        found.append(Failure(
            name, "checking for Docker Engine",
            "Docker does not answer and there is no systemd to start it with",
            next_step="start dockerd by hand",
        ))  # fmt: skip
    if facts.memory < LEAST_MEMORY:
        found.append(Failure(
            name, "checking its memory", f"{facts.memory / GIB:.1f} GiB is too little",
            next_step="give it 1 GiB or more",
        ))  # fmt: skip
    return found


def twins_of(facts: Mapping[str, Facts]) -> list[Failure]:
    """Return the machines that are the same machine under two names (one machine-id)."""
    seen: dict[str, str] = {}
    found = []
    for name, known in facts.items():
        first = seen.setdefault(known.machine_id, name)
        if first != name and known.machine_id:
            found.append(Failure(
                name, "checking that it is a machine of its own",
                f"it has the machine-id of {first}",
                next_step="remove one of the two; for clones: rm /etc/machine-id and"
                " systemd-machine-id-setup on one of them",
            ))  # fmt: skip
    return found
