"""Several brokers: one after the other while a quorum runs, all at once where none does.

A broker that starts waits for a quorum, so the first ones must not wait for each other; one that is
replaced must be back and have all its records before the next one goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from platform_initializer.domain.brokers import (
    count_brokers,
    holds_quorum,
    running_brokers,
    why_not_leave,
)
from platform_initializer.domain.container import once_args
from platform_initializer.domain.steps import Phase, Risk, Step
from platform_initializer.domain.tasks import in_sync_task
from platform_initializer.errors import Failure, MachineError
from platform_initializer.host import Host
from platform_initializer.steps.images import image_key
from platform_initializer.world import World

QUORUM = "quorum"
"""The step that waits for the first quorum."""


def require_possible(world: World) -> None:
    """Raise `MachineError` where the file asks for brokers that cannot be had without loss."""
    if "kafka" in world.description.external:
        return
    there, wanted = world.store.broker_seats(), world.description.brokers
    count = count_brokers(wanted, world.facts, there).count
    homes = world.homes_of("kafka")
    if wanted is not None and wanted != count:
        raise _refusal(world, f"{count} began, the file wants {wanted}: their quorum does not"
                       " change while it holds data",
                       f"services: {{kafka: {{replicas: {count}}}}}; or `rota platform backup`, "
                       "then `destroy --data` and `restore` with the new number")  # fmt: skip
    if len(homes) < count:
        raise _refusal(world, f"{count} brokers need as many machines, {len(homes)} can have one",
                       "add machines to the file, or name back those that left it")  # fmt: skip
    gone = [name for name in there if name not in world.names]
    rest = [name for name in running_brokers(world.facts) if name in world.names]
    for name in gone if len(there) > 1 else ():
        if why := why_not_leave(name, there, rest, world.names):
            raise _refusal(world, f"{name} is out of the file: {why}",
                           f"name {name} in the file again, then `rota platform up`")  # fmt: skip


def is_rolling(world: World) -> bool:
    """Tell whether several brokers form a quorum now, which a change is not to end."""
    seats = world.seats()
    return len(seats) > 1 and holds_quorum(seats, running_brokers(world.facts))


def arranged(world: World, steps: Sequence[Step]) -> list[Step]:
    """Put the brokers' steps in their order; with one broker nothing changes."""
    own = [step for step in steps if step.key.startswith("kafka@")]
    if len(world.seats()) < 2 or not own:
        return list(steps)
    others = [step for step in steps if step not in own]
    if is_rolling(world):
        return [*_one_by_one(world, own), *others]
    return [*own, _first_quorum(world, own), *others]


def wait_in_sync(world: World, host: Host) -> None:
    """Wait until every broker has its records; raise `MachineError`."""
    argv = once_args(in_sync_task(world.site()))
    host.command("waiting for Kafka's replicas", argv, timeout_s=150.0)


def _one_by_one(world: World, steps: Sequence[Step]) -> list[Step]:
    """Chain them, those that do not run first: until then a quorum stands on the others."""
    up = running_brokers(world.facts)
    ordered: list[Step] = []
    for step in sorted(steps, key=lambda step: step.machine in up):
        after = step.after | {image_key(step.machine, "services")}
        after |= {ordered[-1].key} if ordered else set()
        risk = Risk.RESTART if step.risk is Risk.DOWNTIME else step.risk
        ordered.append(replace(step, after=after, risk=risk))
    return ordered


def _first_quorum(world: World, steps: Sequence[Step]) -> Step:
    first = next(iter(world.seats()))
    return Step(QUORUM, first, Phase.STORES, "wait for Kafka's quorum", "no quorum runs yet",
                _gates(world), frozenset(step.key for step in steps))  # fmt: skip


def _gates(world: World) -> Callable[[], None]:
    from platform_initializer.steps.containers import wait_until_healthy

    hosts = [world.hosts[name] for name in world.seats()]

    def run() -> None:
        for host in hosts:
            wait_until_healthy(host, "kafka")

    return run


def _refusal(world: World, why: str, next_step: str) -> MachineError:
    return MachineError(
        Failure(world.description.platform, "placing Kafka's brokers", why, next_step=next_step)
    )
