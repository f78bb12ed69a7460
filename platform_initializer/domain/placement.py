"""Which service runs on which machine, and why. Pure.

Pinned ones go where the file says. One that runs already stays: moving costs more than it gains,
and data stores cannot move at all. The others go to the machine with the most memory left after
what is placed there, ties in the order of the file; replicas of one service go apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from platform_initializer.domain.brokers import count_brokers
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
    description: Description, names: Sequence[str], facts: Mapping[str, Facts],
    seats: Mapping[str, int] | None = None,
) -> list[Placed]:  # fmt: skip
    """Decide for every service; the same facts give the same answer, and so does their result.

    `seats` are those of Kafka's brokers so far, by machine.
    """
    ordered = {name: facts[name] for name in names}
    kept = seats or {}
    brokers = count_brokers(description.brokers, ordered, kept)
    silent = [name for name in kept if name not in ordered and name in description.machine_names()]
    left = {name: known.memory for name, known in ordered.items()}
    placed: list[Placed] = []
    for service in (name for name in SERVICES if name not in description.external):
        wish = description.wish(service)
        choice = _Choice(wish.on, wish.replicas, tuple(names), {
            name for name in names if service in facts[name].containers})  # fmt: skip
        if service == "kafka":
            choice = replace(choice, replicas=brokers.count - len(silent),
                             may_take=brokers.machines, there=choice.there | set(kept))  # fmt: skip
        for name, reason in _homes(choice, names, left).items():
            left[name] = left.get(name, 0) - NEEDS[service]
            told = [reason, brokers.reason if service == "kafka" else ""]
            placed.append(Placed(service, name, "; ".join(filter(None, told))))
    return placed


@dataclass(frozen=True)
class _Choice:
    """What one service's machines are chosen by."""

    on: tuple[str, ...]
    replicas: int
    may_take: tuple[str, ...]
    there: set[str]


def _homes(choice: _Choice, names: Sequence[str], left: Mapping[str, int]) -> dict[str, str]:
    """Return the machines, each with why it is one."""
    if choice.on:
        return dict.fromkeys(choice.on[: choice.replicas], "pinned by the file")
    there = [name for name in names if name in choice.there][: choice.replicas]
    homes = dict.fromkeys(there, "runs there already")
    while len(homes) < choice.replicas:
        free = [name for name in choice.may_take if name not in homes]
        if not free:
            break
        name = max(free, key=lambda n: left[n] // MIB)
        homes[name] = f"most memory left ({left[name] // MIB} MiB)"
    return homes
