"""What is wanted of each machine beside what is there, in the words of the plan; asks nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from common.errors import RotaError
from platform_initializer.domain.container import ContainerSpec
from platform_initializer.domain.description import Description
from platform_initializer.errors import MachineError
from platform_initializer.gather import Gathered
from platform_initializer.local_images import OURS, find_images
from platform_initializer.machines import Machine
from platform_initializer.planning import plan
from platform_initializer.secret_store import SecretStore
from platform_initializer.up import world_of
from platform_initializer.world import World

Where = tuple[str, str]
"""A machine and a service."""


@dataclass(frozen=True)
class Comparison:
    """What is wanted, and what differs from it; `unknown` says why nothing could be compared."""

    wanted: Mapping[Where, ContainerSpec] = field(default_factory=dict)
    services: Mapping[Where, str] = field(default_factory=dict)
    machines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: str | None = None

    def service_drift(self, machine: str, service: str) -> str | None:
        """Say what differs: `none` if nothing does, None if nobody knows."""
        return None if self.unknown else self.services.get((machine, service), "none")

    def machine_drift(self, machine: str) -> str | None:
        """Say what else differs on a machine: files, images, guards, databases."""
        if self.unknown:
            return None
        return "; ".join(self.machines.get(machine, ())) or "none"


def compare_all(
    description: Description, machines: Sequence[Machine], gathered: Gathered, store: SecretStore
) -> Comparison:
    """Compare the file with the facts; whatever forbids it becomes `unknown`.

    Where a service is to run follows from all machines together, so one that is silent or not made
    yet leaves every wish unknown: a guess would show services as moved that are not.
    """
    absent = [name for name in description.machine_names() if name not in gathered.facts]
    if absent:
        return Comparison(unknown=f"nothing is known of {', '.join(absent)}")
    try:
        images = find_images([*OURS.values(), *description.apps])
        return compare(world_of(description, machines, gathered, (images, store)))
    except MachineError as error:
        failure = error.failure
        then = f" (next: {failure.next_step})" if failure.next_step else ""
        return Comparison(unknown=f"{failure.machine}: {failure.why}{then}")
    except RotaError as error:
        return Comparison(unknown=str(error))


def compare(world: World) -> Comparison:
    """Plan, and sort what the plan says by service and by machine; raise `MachineError`."""
    places = [(placed.machine, placed.service) for placed in world.placed()]
    places += [(name, "client") for name in world.names]
    services: dict[Where, str] = {}
    machines: dict[str, list[str]] = {}
    for step in plan(world):
        service = step.key.removeprefix("remove:").split("@")[0]
        there = (step.machine, service)
        if there in places or step.key.startswith("remove:"):
            services[there] = step.reason
        else:
            machines.setdefault(step.machine, []).append(f"{step.title}: {step.reason}")
    wanted = {place: world.container(place[1], place[0]) for place in places}
    return Comparison(wanted, services, machines)
