"""The images on the operator's machine, which `push` sends to the others over SSH."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from platform_initializer.errors import Failure, MachineError

OURS = {"kafka": "rota/kafka:dev", "mysql": "rota/mysql:dev", "services": "rota/services:dev"}
CHUNK = 1 << 18


@dataclass(frozen=True)
class LocalImage:
    """One image here: its name, id (``sha256:...``) and size in bytes."""

    reference: str
    image_id: str
    size: int


def find_images(references: Sequence[str]) -> dict[str, LocalImage]:
    """Return them by reference; raise `MachineError` naming those that are not here.

    Ours are looked up by the hash of what they are made of, so that what is sent is what stands in
    this checkout, whatever `:dev` was built from last.
    """
    exact = {_exact(reference): reference for reference in references}
    try:
        done = subprocess.run(
            ["docker", "image", "inspect", *exact],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise MachineError(Failure(
            "this host", "looking for the images", "there is no docker command",
            next_step="make docker images",
        )) from error  # fmt: skip
    found = json.loads(done.stdout or "[]")
    images = {
        exact[tag]: LocalImage(exact[tag], entry["Id"], entry["Size"])
        for entry in found
        for tag in entry.get("RepoTags") or []
        if tag in exact
    }
    if absent := [reference for reference in references if reference not in images]:
        raise MachineError(Failure(
            "this host", "looking for the images",
            f"not here, or built from other files: {', '.join(absent)}",
            next_step="make images (and build or pull your own apps)",
        ))  # fmt: skip
    return images


def _exact(reference: str) -> str:
    """Return the tag that `images.build` gives to what it builds from just these files."""
    names = {tag: name for name, tag in OURS.items()}
    try:
        from images.catalogue import find_image, inputs_hash
    except ImportError:  # installed without the checkout: what was pulled or loaded is meant
        return reference
    if reference not in names:
        return reference
    return f"rota/{names[reference]}:{inputs_hash(find_image(names[reference]))[:12]}"


def find_by_id(reference: str, image_id: str) -> LocalImage:
    """Return an image by its id or any name, as `reference`; raise `MachineError` if it is gone."""
    done = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{.Id}} {{.Size}}", image_id],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode != 0:
        raise MachineError(Failure(
            "this host", "looking for the earlier image", f"{image_id[:19]} is no longer here",
            next_step="rota platform rollback --to N with another N (rota platform revisions)",
        ))  # fmt: skip
    found, size = done.stdout.split()
    return LocalImage(reference, found, int(size))


def save_image(image: LocalImage) -> Iterator[bytes]:
    """Yield what `docker save` writes; raise `MachineError` when it fails."""
    process = subprocess.Popen(
        ["docker", "save", image.image_id], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout  # noqa: S101 - PIPE was asked for
        assert process.stderr  # noqa: S101 - PIPE was asked for
        while chunk := process.stdout.read(CHUNK):
            yield chunk
        said = process.stderr.read().decode("utf-8", "replace").strip()
    if process.returncode != 0:
        raise MachineError(Failure(
            "this host", f"saving {image.reference}", said, f"docker save {image.image_id}",
            process.returncode,
        ))  # fmt: skip
