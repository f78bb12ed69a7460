"""Which service runs on which machine, and why. Pure.

Pinned ones go where the file says. One that runs already stays: moving costs more than it gains,
and data stores cannot move at all. The others go to the machine with the most memory left after
what is placed there, ties in the order of the file; replicas of one service go apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_initializer.domain.description import SERVICES, Description
from platform_initializer.domain.facts import Facts

MIB = 1 << 20
NEEDS = {
    "kafka": 900 * MIB, "mysql": 900 * MIB, "scheduler": 160 * MIB,
    "deployment_manager": 160 * MIB, "load_balancer": 160 * MIB, "node_manager": 160 * MIB,
    "application_manager": 200 * MIB,
}  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """One service on one machine, with the reason in words."""

    service: str
    machine: str
    reason: str


def place(
    description: Description, names: Sequence[str], facts: Mapping[str, Facts]
) -> list[Placed]:
    """Decide for every service; the same facts give the same answer, and so does their result."""
    left = {name: facts[name].memory for name in names}
    placed: list[Placed] = []
    for service in SERVICES:
        wish = description.wish(service)
        homes = list(wish.on)[: wish.replicas] if wish.on else []
        reasons = dict.fromkeys(homes, "pinned by the file")
        for name in names if not wish.on else ():
            if service in facts[name].containers and len(homes) < wish.replicas:
                homes.append(name)
                reasons[name] = "runs there already"
        while len(homes) < min(wish.replicas, len(names)):
            name = max((n for n in names if n not in homes), key=lambda n: (left[n] // MIB))
            homes.append(name)
            reasons[name] = f"most memory left ({left[name] // MIB} MiB)"
        for name in homes:
            left[name] = left.get(name, 0) - NEEDS[service]
            placed.append(Placed(service, name, reasons[name]))
    return placed
