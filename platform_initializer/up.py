"""`rota platform up`: reach, check, plan, do, verify, plan again; the second plan must be empty."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from common.clock import SystemClock
from common.ssh import SshDoor
from platform_initializer.audit import note_on
from platform_initializer.checks import problems_of, twins_of
from platform_initializer.domain.choosing import limited, one_machine_at_a_time
from platform_initializer.domain.description import Description
from platform_initializer.domain.steps import Phase, Step
from platform_initializer.errors import Failure, NotConvergedError, PartlyDoneError
from platform_initializer.gather import Gathered, gather_facts, reach, side_by_side
from platform_initializer.graph import Outcome, run_steps
from platform_initializer.health import require_ready
from platform_initializer.local_images import OURS, LocalImage, find_by_id, find_images
from platform_initializer.machines import Machine
from platform_initializer.machines.fleet import Fleet
from platform_initializer.planning import plan
from platform_initializer.progress import Progress
from platform_initializer.revisions import Revisions
from platform_initializer.saved_plan import SavedPlan
from platform_initializer.secret_store import SecretStore
from platform_initializer.steps import prerequisites
from platform_initializer.steps.brokers import require_possible
from platform_initializer.steps.data import Dump, bring_back
from platform_initializer.world import World

READY_WITHIN_S = 90.0
CERTIFIED = ("kafka", "mysql", "application_manager")


@dataclass(frozen=True)
class Wishes:
    """What else a person asks of one run. `command` is what the machines' audit calls it.

    `services_image` is the id of another image of the services; `only` names machines; `saved` is
    the approved plan; `is_rolling` takes one machine after the other; `dump` is data to bring back.
    """

    command: str = "up"
    services_image: str | None = None
    only: tuple[str, ...] = ()
    saved: SavedPlan | None = None
    is_rolling: bool = False
    dump: Dump | None = None


NOTHING_ELSE = Wishes()


@dataclass(frozen=True)
class Result:
    """What `up` leaves: where the page is, who vouches for it, how to log in, what was done."""

    url: str
    ca_file: str
    token: str
    admin_password: str
    is_first: bool
    steps_done: int
    seconds: float


def up(
    description: Description, door: SshDoor, progress: Progress, wishes: Wishes = NOTHING_ELSE
) -> Result:
    """Make the platform what the file says; raise `PartlyDoneError` or another of `errors`."""
    began = time.monotonic()
    store = SecretStore(description.store)
    store.complete()
    images = find_images([*OURS.values(), *description.apps])
    if wishes.services_image is not None:
        images[OURS["services"]] = find_by_id(OURS["services"], wishes.services_image)
    machines = Fleet(description, store).provide(progress.say)
    gathered = reach(machines, description, door)
    try:
        world = world_of(description, machines, gathered, (images, store))
        _refuse_unfit(world, gathered, progress)
        done = _carry_out(world, _chosen(world, wishes), progress, wishes)
    finally:
        gathered.close()
    if done:
        ran = {OURS["services"]: images[OURS["services"]].image_id}
        Revisions(description.store).add(SystemClock().now(), ran, done)
    is_first = not store.is_password_shown
    if is_first:
        store.mark_password_shown()
    address = world.machines[world.homes_of("application_manager")[0]].address
    return Result(
        f"https://{address}:{description.publish}", str(store.ca_file), store.text("api_token"),
        store.text("admin_password"), is_first, done, time.monotonic() - began,
    )  # fmt: skip


def world_of(
    description: Description, machines: Sequence[Machine], gathered: Gathered,
    kept: tuple[dict[str, LocalImage], SecretStore],
) -> World:  # fmt: skip
    by_name = {machine.name: machine for machine in machines}
    world = World(description, by_name, gathered.hosts, gathered.facts, *kept)
    if gathered.facts.keys() == by_name.keys():  # else it cannot be known where the servers run
        require_possible(world)
        servers = {service: [by_name[name].address for name in homes]
                   for service in CERTIFIED if (homes := world.homes_of(service))}  # fmt: skip
        world.store.seat_brokers(world.seats())
        world.store.certify(description.platform, servers, SystemClock().now())
    return world


def _refuse_unfit(world: World, gathered: Gathered, progress: Progress) -> None:
    """Where machines cannot be used, still prepare the others, then stop and tell."""
    failures = unfit(world, gathered)
    if not failures:
        return
    bad = {failure.machine for failure in failures}
    fit = [name for name in gathered.hosts if name not in bad]
    steps = [step for name in fit for step in prerequisites.plan(world, name)]
    progress.planned(steps)
    outcome = run_steps(steps, progress, world.description.parallel) if steps else None
    done = len(outcome.done) if outcome else 0
    raise PartlyDoneError([*failures, *(outcome.failures if outcome else ())], done)


def unfit(world: World, gathered: Gathered) -> list[Failure]:
    """Return what forbids work, by machine: not reached, twins, no room."""
    failures = [*gathered.failures, *twins_of(gathered.facts)]
    for name, facts in gathered.facts.items():
        failures += problems_of(name, facts, _bytes_to_come(world, name))
    return failures


def _bytes_to_come(world: World, name: str) -> int:
    there = world.facts[name].images
    return sum(i.size for i in world.images.values() if i.image_id not in there)


def _chosen(world: World, wishes: Wishes) -> list[Step]:
    """Plan, and take of it what is wished; raise `PlanChangedError` or `LimitError`."""
    steps = plan(world)
    if wishes.saved is not None:
        wishes.saved.require_same(world.facts, steps)
    if wishes.dump is not None:
        steps = bring_back(world, steps, wishes.dump)
    return limited(steps, wishes.only, world.names)


def _carry_out(world: World, steps: Sequence[Step], progress: Progress, wishes: Wishes) -> int:
    """Run the steps, wait for health, and prove that nothing is left to do."""
    gates = _gates(world, steps, wishes.only or world.names)
    progress.planned([*steps, *gates])
    order = [gate.machine for gate in gates]
    everything = (
        one_machine_at_a_time(steps, gates, order) if wishes.is_rolling else [*steps, *gates]
    )
    outcome = run_steps(everything, progress, world.description.parallel)
    _note(world, outcome, wishes.command)
    if outcome.failures:
        raise PartlyDoneError(outcome.failures, len(outcome.done), has_begun=True)
    if steps:
        facts = gather_facts(world.hosts, world.description.platform, world.description.parallel)
        left = plan(replace(world, facts=facts))
        if left := [step for step in left if step.machine in order]:
            listed = "; ".join(f"{s.machine}: {s.title}: {s.reason}" for s in left[:5])
            raise NotConvergedError(f"still to do after everything was done: {listed}")
    return len(steps)


def _note(world: World, outcome: Outcome, command: str) -> None:
    """Leave a line in the audit of each machine that was changed."""
    done = Counter(step.machine for step in outcome.done if step.phase is not Phase.HEALTH)
    at = SystemClock().now().isoformat(timespec="seconds")
    hosts = [world.hosts[name] for name in done]
    side_by_side(hosts, lambda host: note_on(host, at, command, done[host.name]),
                 world.description.parallel)  # fmt: skip


def _gates(world: World, steps: Sequence[Step], machines: Sequence[str]) -> list[Step]:
    """Make the steps that wait for health; they come after whatever runs on any machine."""
    changed = frozenset(step.key for step in steps)
    gates = []
    for name in world.names:
        if name not in machines:
            continue
        services = [placed.service for placed in world.placed() if placed.machine == name]
        gates.append(Step(
            f"health@{name}", name, Phase.HEALTH, "wait until ready", "always",
            _waiter(world, name, [*services, "client"]), changed,
        ))  # fmt: skip
    return gates


def _waiter(world: World, name: str, services: Sequence[str]) -> Callable[[], None]:
    host = world.hosts[name]
    return lambda: require_ready(host, services, READY_WITHIN_S)


