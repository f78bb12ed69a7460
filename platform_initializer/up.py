"""`rota platform up`: reach, check, plan, do, verify, plan again; the second plan must be empty."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from common.clock import SystemClock
from common.ssh import SshDoor
from platform_initializer.checks import problems_of, twins_of
from platform_initializer.domain.description import Description
from platform_initializer.domain.steps import Phase, Step
from platform_initializer.errors import Failure, NotConvergedError, PartlyDoneError
from platform_initializer.gather import Gathered, gather_facts, reach
from platform_initializer.graph import run_steps
from platform_initializer.health import require_ready
from platform_initializer.local_images import OURS, LocalImage, find_by_id, find_images
from platform_initializer.machines import Machine
from platform_initializer.machines.fleet import Fleet
from platform_initializer.planning import plan
from platform_initializer.progress import Progress
from platform_initializer.revisions import Revisions
from platform_initializer.secret_store import SecretStore
from platform_initializer.steps import prerequisites
from platform_initializer.world import World

READY_WITHIN_S = 90.0
CERTIFIED = ("kafka", "mysql", "application_manager")


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
    description: Description, door: SshDoor, progress: Progress, services_image: str | None = None
) -> Result:
    """Make the platform what the file says; raise `PartlyDoneError` or another of `errors`.

    `services_image` is the id of an earlier image of the services, to go back to.
    """
    began = time.monotonic()
    store = SecretStore(description.store)
    store.complete()
    images = find_images([*OURS.values(), *description.apps])
    if services_image is not None:
        images[OURS["services"]] = find_by_id(OURS["services"], services_image)
    machines = Fleet(description, store).provide(progress.say)
    gathered = reach(machines, description, door)
    try:
        world = world_of(description, machines, gathered, (images, store))
        _refuse_unfit(world, gathered, progress)
        steps = plan(world)
        done = _carry_out(world, steps, progress)
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
        servers = {s: by_name[world.homes_of(s)[0]].address for s in CERTIFIED}
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


def _carry_out(world: World, steps: Sequence[Step], progress: Progress) -> int:
    """Run the steps, wait for health, and prove that nothing is left to do."""
    progress.planned(steps)
    gates = _gates(world, steps)
    outcome = run_steps([*steps, *gates], progress, world.description.parallel)
    if outcome.failures:
        raise PartlyDoneError(outcome.failures, len(outcome.done), has_begun=True)
    if steps:
        facts = gather_facts(world.hosts, world.description.platform, world.description.parallel)
        if left := plan(replace(world, facts=facts)):
            listed = "; ".join(f"{s.machine}: {s.title}: {s.reason}" for s in left[:5])
            raise NotConvergedError(f"still to do after everything was done: {listed}")
    return len(steps)


def _gates(world: World, steps: Sequence[Step]) -> list[Step]:
    """Make the steps that wait for health; they come after whatever runs on any machine."""
    changed = frozenset(step.key for step in steps)
    gates = []
    for name in world.names:
        services = [placed.service for placed in world.placed() if placed.machine == name]
        gates.append(Step(
            f"health@{name}", name, Phase.HEALTH, "wait until ready", "always",
            _waiter(world, name, [*services, "client"]), changed,
        ))  # fmt: skip
    return gates


def _waiter(world: World, name: str, services: Sequence[str]) -> Callable[[], None]:
    host = world.hosts[name]
    return lambda: require_ready(host, services, READY_WITHIN_S)


