"""Images, sent over SSH: machines need no registry and no internet. Each gets what it needs."""

from __future__ import annotations

from collections.abc import Callable

from platform_initializer.domain.steps import Phase, Step
from platform_initializer.local_images import OURS, LocalImage, save_image
from platform_initializer.world import World

LOAD_TIMEOUT_S = 900.0
# Saved by its id, so that a name which is given to another image meanwhile sends no other.
_LOAD = 'docker load -q > /dev/null && exec docker tag "$1" "$2"'


def plan(world: World, machine: str) -> list[Step]:
    """Return a step an image, one after the other: stores first, apps last."""
    steps: list[Step] = []
    before = frozenset({f"docker@{machine}"})
    for image in needed_images(world, machine):
        facts = world.facts[machine]
        is_app = image.reference not in OURS.values()
        if image.image_id in facts.images and (
            not is_app or facts.tags.get(image.reference) == image.image_id
        ):
            continue
        key = f"image:{image.reference}@{machine}"
        reason = "another version is there" if image.reference in facts.tags else "not there"
        steps.append(Step(key, machine, Phase.IMAGES, f"send {image.reference}", reason,
                          _sender(world, machine, image), before))  # fmt: skip
        before = frozenset({key})
    return steps


def needed_images(world: World, machine: str) -> list[LocalImage]:
    """List what a machine is to have: its stores' images, the services', the apps'."""
    stores = [OURS[placed.service] for placed in world.placed()
              if placed.machine == machine and placed.service in OURS]  # fmt: skip
    references = [*stores, OURS["services"], *world.description.apps]
    return [world.images[reference] for reference in references]


def image_key(machine: str, name: str) -> str:
    """Name the step that brings one of our images to a machine."""
    return f"image:{OURS[name]}@{machine}"


def _sender(world: World, machine: str, image: LocalImage) -> Callable[[], None]:
    host = world.hosts[machine]

    def run() -> None:
        host.script(f"loading {image.reference}", _LOAD, image.image_id, image.reference,
                    stdin=save_image(image), timeout_s=LOAD_TIMEOUT_S)  # fmt: skip

    return run
