"""The plan: the steps of every file in `steps/`, in the order in which a person reads them."""

from __future__ import annotations

from platform_initializer.domain.steps import Step
from platform_initializer.steps import (
    configuration,
    containers,
    guards,
    images,
    prerequisites,
    setup,
)
from platform_initializer.world import World


def plan(world: World) -> list[Step]:
    """Return all that differs between the file and the machines; empty when nothing does."""
    steps: list[Step] = []
    for machine in world.names:
        steps += prerequisites.plan(world, machine)
        steps += configuration.plan(world, machine)
        steps += guards.plan(world, machine)
        steps += images.plan(world, machine)
    return [*steps, *setup.plan(world), *containers.plan(world)]
