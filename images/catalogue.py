"""Which images there are, what each is made of, and the hash of that: no Docker in here."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE_PACKAGES = (
    "common", "application_manager", "scheduler", "deployment_manager", "load_balancer",
    "node_manager", "platform_initializer", "cli",
)
_NOT_INPUTS = {"__pycache__", "README.md"}


@dataclass(frozen=True, kw_only=True)
class Root:
    """The file system an image starts from: an upstream image, else a debootstrap of `suite`."""

    suite: str
    upstream: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image: `root` or `parent` below it, `files` of the repository inside it.

    `sources` are packages of ours, put under src/. `artefact` names what the host fetches for it
    (see artefacts.py).
    """

    name: str
    parent: str | None = None
    root: Root | None = None
    files: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    artefact: str | None = None


BOOKWORM = Root(suite="bookworm", upstream="debian:12.12-slim")
SID = Root(suite="sid", upstream="mysql:9.7")

# Parents stand before their children.
CATALOGUE = (
    Image(name="base", root=BOOKWORM),
    Image(name="mysql", root=SID),
    Image(name="kafka", parent="base", artefact="kafka-jars"),
    Image(name="services", parent="base", files=("requirements.txt",), sources=SOURCE_PACKAGES,
          artefact="wheelhouse"),
    Image(name="machine", parent="base"),
    Image(name="demo-app", parent="base"),
    Image(name="probe", parent="base"),
    Image(name="mariadb", parent="base", files=("images/mysql/entrypoint.sh",)),
)


def find_image(name: str) -> Image:
    """Return the image called `name`; KeyError when there is none."""
    return {image.name: image for image in CATALOGUE}[name]


def with_parents(names: list[str]) -> list[Image]:
    """Return the named images (all, when none is named) and what they stand on, parents first."""
    wanted = set(names or [image.name for image in CATALOGUE])
    for image in reversed(CATALOGUE):
        if image.name in wanted and image.parent:
            wanted.add(image.parent)
    return [image for image in CATALOGUE if image.name in wanted]


def input_files(image: Image) -> Iterator[tuple[str, Path]]:
    """Yield (path inside the build context, path on disk) of all that goes into the image.

    The folder images/NAME is the context's root; other files keep their path in the repository.
    What does not exist yet (a service still to be written) is left out.
    """
    own = REPOSITORY / "images" / image.name
    for path in _walk(own):
        yield path.relative_to(own).as_posix(), path
    for name in image.files:
        for path in _walk(REPOSITORY / name):
            yield path.relative_to(REPOSITORY).as_posix(), path
    for name in image.sources:
        for path in _walk(REPOSITORY / name):
            yield f"src/{path.relative_to(REPOSITORY).as_posix()}", path


def inputs_hash(image: Image) -> str:
    """Return the sha256 of everything the image is made of, its parents included."""
    digest = hashlib.sha256()
    for part in (image.name, root_hash(image.root) if image.root else "", image.artefact or ""):
        digest.update(part.encode() + b"\0")
    if image.parent:
        digest.update(inputs_hash(find_image(image.parent)).encode())
    for name, path in input_files(image):
        executable = os.access(path, os.X_OK)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name}\0{executable}\0{content}\0".encode())
    return digest.hexdigest()


def root_hash(root: Root) -> str:
    """Return the hash a debootstrapped root is known by: its suite and how it is made."""
    recipe = (REPOSITORY / "images/debootstrap.sh").read_bytes()
    return hashlib.sha256(repr(root).encode() + recipe).hexdigest()


def _walk(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir() and path.name not in _NOT_INPUTS:
        for child in sorted(path.iterdir()):
            if child.name not in _NOT_INPUTS and child.suffix != ".pyc":
                yield from _walk(child)
