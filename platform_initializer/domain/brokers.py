"""How many Kafka brokers there are, on which machines, and which seat each one has. Pure.

A seat is a broker's node id: it stands in the quorum's list of voters and in every topic's list of
replicas. So it belongs to a machine's name for good, and a machine that comes or goes renumbers
nobody; only a seat whose machine is named no more is free for another.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from platform_initializer.domain.facts import Facts

QUORUM_OF = 3
LEAST_CPUS = 4
LEAST_MEMORY = 15 << 29
"""7.5 GiB: what the kernel leaves of 8 GiB. A broker's own is 0.9; the rest is for apps."""


@dataclass(frozen=True)
class BrokerCount:
    """How many brokers, why so many if that is news, and the machines a new one may go to."""

    count: int
    reason: str
    machines: tuple[str, ...]


def count_brokers(
    wanted: int | None, facts: Mapping[str, Facts], seats: Mapping[str, int]
) -> BrokerCount:
    """Decide for machines in the file's order; `wanted` None is `auto`.

    What was begun stays: one broker never becomes three by itself, since a quorum of new ones could
    agree without the one that has the data.
    """
    everywhere = tuple(facts)
    if seats:
        return BrokerCount(len(seats), "", everywhere)
    if any(_has_begun(known) for known in facts.values()):
        return BrokerCount(1, "", everywhere)
    if wanted is not None:
        return BrokerCount(wanted, f"{_number(wanted)}, as the file says", everywhere)
    fit = tuple(name for name, known in facts.items()
                if known.cpus >= LEAST_CPUS and known.memory >= LEAST_MEMORY)  # fmt: skip
    needed = f"three need {QUORUM_OF} machines of {LEAST_CPUS} CPUs and 8 GiB, there are {len(fit)}"
    if len(fit) >= QUORUM_OF:
        return BrokerCount(QUORUM_OF, f"{_number(QUORUM_OF)}: {needed}", fit)
    return BrokerCount(1, f"{_number(1)}: {needed}", everywhere)


def assign_seats(kept: Mapping[str, int], homes: Sequence[str]) -> dict[str, int]:
    """Give each machine its seat: the one it had, else the lowest that is free."""
    seats = {name: kept[name] for name in homes if name in kept}
    free = (seat for seat in range(1, len(homes) + len(kept) + 1) if seat not in seats.values())
    for name in homes:
        if name not in seats:
            seats[name] = next(free)
    return dict(sorted(seats.items(), key=lambda pair: pair[1]))


def why_not_leave(
    name: str, seats: Mapping[str, int], running: Collection[str], names: Collection[str]
) -> str | None:
    """Say why a broker's machine cannot leave, None where it can.

    Another machine takes its seat and copies what the others have. So all others must run (two of
    three may have agreed on what the third never heard), and there must be such a machine.
    """
    others = [other for other in seats if other != name]
    free = [other for other in names if other not in seats]
    if not others:
        return "Kafka's only broker is there"
    if silent := [other for other in others if other not in running]:
        return f"one of {len(seats)} brokers is there and that of {', '.join(silent)} does not run"
    if not free:
        return (f"one of {len(seats)} brokers is there and no other machine can take its place:"
                " the next failure would end the quorum")  # fmt: skip
    return None


def running_brokers(facts: Mapping[str, Facts]) -> list[str]:
    """Name the machines whose broker runs."""
    brokers = {name: known.containers.get("kafka") for name, known in facts.items()}
    return [name for name, broker in brokers.items() if broker and broker.state == "running"]


def holds_quorum(seats: Collection[str], running: Collection[str]) -> bool:
    """Tell whether the brokers that run are a majority of all seats."""
    return 2 * len(set(seats) & set(running)) > len(seats)


def _has_begun(known: Facts) -> bool:
    """Tell whether Kafka is or was here: `down` takes the container and leaves stamp and data."""
    return "kafka" in known.containers or "topics" in known.stamps


def _number(count: int) -> str:
    return "one broker" if count == 1 else f"{count} brokers"
