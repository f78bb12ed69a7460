"""`rota platform plan`: what `up` would do and why; changes nothing, makes no machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from common.ssh import SshDoor
from platform_initializer.domain.choosing import limited
from platform_initializer.domain.description import Description
from platform_initializer.domain.facts import Facts
from platform_initializer.domain.placement import Placed
from platform_initializer.domain.steps import Step
from platform_initializer.errors import PartlyDoneError
from platform_initializer.gather import reach
from platform_initializer.local_images import OURS, find_images
from platform_initializer.machines.fleet import Fleet
from platform_initializer.planning import plan
from platform_initializer.secret_store import SecretStore
from platform_initializer.up import unfit, world_of
from platform_initializer.world import World


@dataclass(frozen=True)
class Preview:
    """What is to be done. With machines still to be made, only they are known."""

    platform: str
    missing: Sequence[str] = ()
    placed: Sequence[Placed] = ()
    steps: Sequence[Step] = ()
    all_steps: Sequence[Step] = ()
    """`steps` before they were limited to the machines asked for."""
    facts: Mapping[str, Facts] = field(default_factory=dict)

    @property
    def has_changes(self) -> bool:
        return bool(self.missing or self.steps)


def placed_of(world: World) -> list[Placed]:
    """Tell where each service goes, and which servers are the operator's own."""
    outside = [Placed(store, ", ".join(one.addresses), f"external, as {one.user}: not placed")
               for store, one in world.description.external.items()]  # fmt: skip
    return [*outside, *world.placed()]


def preview(description: Description, door: SshDoor, only: Sequence[str] = ()) -> Preview:
    """Compare the file with the machines; raise `PartlyDoneError` where one cannot be used."""
    store = SecretStore(description.store)
    store.complete(keep=False)
    fleet = Fleet(description, store)
    if missing := fleet.missing():
        return Preview(description.platform, missing)
    images = find_images([*OURS.values(), *description.apps])
    machines = fleet.existing()
    gathered = reach(machines, description, door, lock=False)
    try:
        world = world_of(description, machines, gathered, (images, store))
        if failures := unfit(world, gathered):
            raise PartlyDoneError(failures, 0)
        steps = plan(world)
        return Preview(
            description.platform, (), placed_of(world), limited(steps, only, world.names), steps,
            world.facts,
        )  # fmt: skip
    finally:
        gathered.close()
