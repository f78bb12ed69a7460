"""Builds the images that are absent or whose inputs changed: `python -m images.build [name…]`.

Each is pulled where a registry answers, else built from packages. What an image is made of stands
in catalogue.py; an image carries the hash of that as its label, so that a second run does nothing.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from images import artefacts
from images.catalogue import CATALOGUE, Image, find_image, input_files, inputs_hash, with_parents
from images.docker_cli import (
    BuildError,
    Registry,
    build_command,
    inputs_labels,
    make_root,
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
    parser.add_argument("--prune", action="store_true", help="remove all but the newest builds")
    options = parser.parse_args(arguments)
    if unknown := set(options.name) - set(names):
        parser.error(f"no such image: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = with_parents(options.name)
    if not query("version", "-f", "{{.Server.Version}}").strip():
        print("No Docker daemon answers: run scripts/ensure-docker.sh first.", file=sys.stderr)
        return 7
    if options.list:
        return list_images(wanted)
    if options.prune:
        return prune_images(wanted)
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


def prune_images(images: list[Image]) -> int:
    """Remove the builds whose inputs are no longer these; Docker keeps what a container uses."""
    for image in images:
        keep = {"dev", inputs_hash(image)[:12]}
        tags = query("images", "--format", "{{.Tag}}", f"rota/{image.name}").split()
        for tag in (tag for tag in tags if tag not in keep):
            print(query("rmi", f"rota/{image.name}:{tag}").partition("\n")[0])
    return 0


def build_all(images: list[Image]) -> int:
    """Build those that are not current, parents before children, and return the exit code."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (artefacts.BUILD / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stale = [image for image in images if not is_current(image)]
        if any(image.root for image in stale):
            ask_for_root()
        progress = Progress(total=len(images), current=len(images) - len(stale))
        builder = Builder(progress)
        with progress, ThreadPoolExecutor(WORKERS) as pool:
            # Parents are submitted first, so a child that waits for its parent never blocks it.
            for image in stale:
                builder.futures[image.name] = pool.submit(builder.build, image)
        return 0 if all(future.result() for future in builder.futures.values()) else 1


def is_current(image: Image) -> bool:
    """Tell whether both its names stand for these inputs: `up` looks for the exact one."""
    inputs = inputs_hash(image)
    found = inputs_labels(tags_of(image))
    return len(found) == 2 and {label for label, _ in found.values()} == {inputs}


def tags_of(image: Image) -> list[str]:
    """Name it exactly, by its inputs, and as what was built last."""
    return [f"rota/{image.name}:{inputs_hash(image)[:12]}", f"rota/{image.name}:dev"]


def ask_for_root() -> None:
    """Have sudo ask for its password now, where its question can be seen: debootstrap is root's."""
    if os.geteuid() != 0:
        print("debootstrap needs root: sudo may ask for your password.", flush=True)
        subprocess.run(["sudo", "-v"], check=False)


class Builder:
    """Builds one image after another; `futures` tells a child how its parent's build went."""

    def __init__(self, progress: Progress) -> None:
        self.futures: dict[str, Future[bool]] = {}
        self._progress = progress
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
        tags = tags_of(image)
        if inputs_labels(tags[:1]):  # built before, then something else: only the name moved
            run_logged(["docker", "tag", *tags], log)
            return "found"
        if self._registry.pull_ours(image.name, inputs, log):
            return "pulled"
        context = assemble_context(image, log)
        for parent in self._parents(image, log):
            try:
                run_logged(build_command(context, tags, inputs, parent), log)
            except BuildError:
                # A pulled image may be laid out otherwise; Debian's packages are the sure way.
                if not image.root or parent != image.root.upstream:
                    raise
            else:
                break
        return "built"

    def _parents(self, image: Image, log: IO[bytes]) -> Iterator[str]:
        """Yield what `image` may be built on, the best first."""
        if image.root is None:
            yield f"rota/{image.parent}:{inputs_hash(find_image(image.parent or ''))[:12]}"
            return
        if self._registry.pull_upstream(image.root.upstream, log):
            yield image.root.upstream
        yield make_root(image.root, log)


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
