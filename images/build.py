"""Builds the images that are absent or whose inputs changed: `python -m images.build [name…]`.

Each is pulled where a registry answers, else built from packages. What an image is made of stands
in catalogue.py; an image carries the hash of that as its label, so that a second run does nothing.
"""

import argparse
import fcntl
import shutil
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from images import artefacts
from images.catalogue import CATALOGUE, Image, find_image, input_files, inputs_hash, with_parents
from images.docker_cli import (
    BuildError,
    Registry,
    build_command,
    import_root,
    inputs_labels,
    query,
    run_logged,
)
from images.progress import Progress

WORKERS = 3  # two cores; the third waits for the network
LOGS = artefacts.BUILD / "logs"


def main(arguments: list[str] | None = None) -> int:
    """Build (or list) and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m images.build", description=__doc__)
    names = [image.name for image in CATALOGUE]
    parser.add_argument("name", nargs="*", help=f"of: {' '.join(names)} (default: all)")
    parser.add_argument("--list", action="store_true", help="show the images and their state")
    options = parser.parse_args(arguments)
    if unknown := set(options.name) - set(names):
        parser.error(f"no such image: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = with_parents(options.name)
    if not query("version", "-f", "{{.Server.Version}}").strip():
        print("No Docker daemon answers: run scripts/ensure-docker.sh first.", file=sys.stderr)
        return 7
    if options.list:
        return list_images(wanted)
    return build_all(wanted)


def list_images(images: list[Image]) -> int:
    """Print name, tag, state and size of each."""
    found = inputs_labels([f"rota/{image.name}:dev" for image in images])
    for image in images:
        inputs = inputs_hash(image)
        label, size = found.get(f"rota/{image.name}:dev", ("", 0))
        state = "current" if label == inputs else "stale" if label else "absent"
        print(f"{image.name:10} rota/{image.name}:{inputs[:12]}  {state:8} {size / 1e6:5.0f} MB")
    return 0


def build_all(images: list[Image]) -> int:
    """Build those that are not current, parents before children, and return the exit code."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (artefacts.BUILD / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = inputs_labels([f"rota/{image.name}:dev" for image in images])
        stale = [i for i in images if found.get(f"rota/{i.name}:dev", ("",))[0] != inputs_hash(i)]
        progress = Progress(total=len(images), current=len(images) - len(stale))
        builder = Builder(progress, {tag: label for tag, (label, _) in found.items()})
        with progress, ThreadPoolExecutor(WORKERS) as pool:
            # Parents are submitted first, so a child that waits for its parent never blocks it.
            for image in stale:
                builder.futures[image.name] = pool.submit(builder.build, image)
        return 0 if all(future.result() for future in builder.futures.values()) else 1


class Builder:
    """Builds one image after another; `futures` tells a child how its parent's build went."""

    def __init__(self, progress: Progress, previous: dict[str, str]) -> None:
        self.futures: dict[str, Future[bool]] = {}
        self._progress = progress
        self._previous = previous
        self._registry = Registry()

    def build(self, image: Image) -> bool:
        """Pull or build `image`; True when it is there afterwards."""
        parent = self.futures.get(image.parent or "")
        if parent and not parent.result():
            self._progress.fail(image.name, f"not built: {image.parent} failed", None)
            return False
        log_path = LOGS / f"{image.name}.log"
        started = time.monotonic()
        self._progress.start(image.name)
        try:
            with log_path.open("wb") as log:
                how = self._pull_or_build(image, log)
        except (BuildError, OSError) as error:
            self._progress.fail(image.name, str(error), log_path)
            return False
        _, size = inputs_labels([f"rota/{image.name}:dev"])[f"rota/{image.name}:dev"]
        self._progress.finish(image.name, how, time.monotonic() - started, size)
        return True

    def _pull_or_build(self, image: Image, log: IO[bytes]) -> str:
        inputs = inputs_hash(image)
        tags = [f"rota/{image.name}:{inputs[:12]}", f"rota/{image.name}:dev"]
        if inputs_labels([tags[0]]):  # built before, then something else: only the name moved
            run_logged(["docker", "tag", *tags], log)
            return "found"
        if self._registry.pull_ours(image.name, inputs, log):
            return "pulled"
        if image.root:
            parent = import_root(image.root, self._registry, log)
        else:
            parent = f"rota/{image.parent}:{inputs_hash(find_image(image.parent or ''))[:12]}"
        context = assemble_context(image, log)
        run_logged(build_command(context, tags, inputs, parent), log)
        if previous := self._previous.get(f"rota/{image.name}:dev"):
            query("rmi", f"rota/{image.name}:{previous[:12]}")  # refused while a container uses it
        return "built"


def assemble_context(image: Image, log: IO[bytes]) -> Path:
    """Return a folder with exactly the inputs of `image`, fetched artefacts included."""
    context = artefacts.BUILD / "context" / image.name
    shutil.rmtree(context, ignore_errors=True)
    for name, path in input_files(image):
        target = context / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    if image.artefact:
        name, folder = artefacts.fetch(image.artefact, log)
        shutil.copytree(folder, context / name)
    return context


if __name__ == "__main__":
    sys.exit(main())
