"""Which content an image's name stands for, by what the machines hold. Pure (ADR 20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.image import full_name, name_of_image, short_digest, split_image

LONGEST_IMAGE = 255  # a column's


@dataclass(frozen=True)
class Held:
    """What one machine holds under a name: Docker's id, and the registry's digest if it has one."""

    node: str
    id: str
    digest: str | None = None


HeldByName = Mapping[str, Sequence[Held]]
"""By full name (`common.image.full_name`); only machines that belong to the fleet."""


def pin(image: str, held: HeldByName) -> str:
    """Return the image with the digest that all its holders agree on, else as it is.

    The registry's digest goes before the id: any machine can pull by it.
    """
    name, given = split_image(image)
    if given is not None:
        return image
    holders = held.get(full_name(name), ())
    for digests in ({one.digest for one in holders}, {one.id for one in holders}):
        (digest, *others) = digests or {None}
        pinned = f"{name}@{digest}"
        if digest is not None and not others and len(pinned) <= LONGEST_IMAGE:
            return pinned
    return image


def pin_inline(image: str, before: str | None, held: HeldByName) -> str:
    """Pin what a file names; where that cannot be done, what the instance ran before stays."""
    pinned = pin(image, held)
    if pinned == image and before is not None and name_of_image(before) == image:
        return before
    return pinned


def why_not_pinned(image: str, held: HeldByName) -> str | None:
    """Say why an image has no digest; None: it has one."""
    if split_image(pin(image, held))[1] is not None:
        return None
    holders = held.get(full_name(image), ())
    if not holders:
        return "no machine has this image yet: whatever has the name will run"
    if len({one.id for one in holders}) > 1:
        listed = ", ".join(f"{one.node} {short_digest(one.id)}" for one in holders[:5])
        return f"machines hold different contents under this name ({listed}): any of them may run"
    return f"the name is too long to carry a digest (at most {LONGEST_IMAGE} letters with it)"
