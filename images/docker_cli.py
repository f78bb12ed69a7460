"""The door to the `docker` command for building; it knows nothing of what is built."""

import os
import subprocess
import threading
from pathlib import Path
from typing import IO

from images.catalogue import Root, root_hash

LABEL = "io.rota.inputs"
PULL_TIMEOUT_S = 8
_PROXY_NAMES = ("http_proxy", "https_proxy", "no_proxy")


class BuildError(Exception):
    """A step of a build failed; its log says why."""


def run_logged(command: list[str], log: IO[bytes], **options: Path) -> None:
    """Run `command` with all its output in `log`; BuildError when it fails."""
    log.write(f"\n$ {' '.join(command)}\n".encode())
    log.flush()
    environment = {**os.environ, "DOCKER_BUILDKIT": "0", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            env=environment, check=False, cwd=options.get("cwd"),
        )
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]} is not installed: run scripts/prerequisites.sh") from error
    if done.returncode != 0:
        raise BuildError(f"{command[0]} ended with exit code {done.returncode}")


def query(*arguments: str) -> str:
    """Return what `docker ARGUMENTS` prints, also when it fails (an absent image is no error)."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return done.stdout


def inputs_labels(tags: list[str]) -> dict[str, tuple[str, int]]:
    """Return {tag: (inputs hash, size in bytes)} of those of `tags` that exist, in one call."""
    template = '{{join .RepoTags " "}}|{{index .Config.Labels "' + LABEL + '"}}|{{.Size}}'
    found: dict[str, tuple[str, int]] = {}
    lines = query("image", "inspect", "-f", template, *tags).splitlines()
    for line in (line for line in lines if line.count("|") == 2):
        names, inputs, size = line.rsplit("|", 2)
        found.update({tag: (inputs, int(size)) for tag in names.split() if tag in tags})
    return found


def build_command(context: Path, tags: list[str], inputs: str, parent: str) -> list[str]:
    """Return the argv that builds `context` on `parent`; proxies of the host are handed in."""
    command = ["docker", "build", "--force-rm", "--label", f"{LABEL}={inputs}"]
    command += ["--build-arg", f"PARENT={parent}"]
    for name in _PROXY_NAMES:
        if value := os.environ.get(name):
            command += ["--build-arg", f"{name}={value}"]
    for tag in tags:
        command += ["-t", tag]
    return [*command, str(context)]


class Registry:
    """Pulls, and after the first failure believes that no registry answers for this run.

    With ROTA_IMAGES_REGISTRY (host/path) our own images are looked up there by their hash.
    """

    def __init__(self) -> None:
        self._prefix = os.environ.get("ROTA_IMAGES_REGISTRY", "")
        self._lock = threading.Lock()
        self._answers = os.environ.get("ROTA_IMAGES_PULL", "yes") != "no"

    def pull_ours(self, name: str, inputs: str, log: IO[bytes]) -> bool:
        """Pull NAME as it was built from exactly these inputs; False when it is not there."""
        if not self._prefix:
            return False
        source = f"{self._prefix}/{name}:{inputs[:12]}"
        if not self._try_pull(source, log):
            return False
        for tag in (f"rota/{name}:{inputs[:12]}", f"rota/{name}:dev"):
            run_logged(["docker", "tag", source, tag], log)
        return True

    def pull_upstream(self, reference: str, log: IO[bytes]) -> bool:
        """Pull a public image; False when no registry answers."""
        with self._lock:
            if self._answers:
                self._answers = self._try_pull(reference, log)
            return self._answers

    def _try_pull(self, reference: str, log: IO[bytes]) -> bool:
        """Pull; given up when the daemon has not found the image within PULL_TIMEOUT_S."""
        log.write(f"\n$ docker pull {reference}\n".encode())
        pull = subprocess.Popen(
            ["docker", "pull", reference], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        impatience = threading.Timer(PULL_TIMEOUT_S, pull.kill)
        impatience.start()
        with pull:
            assert pull.stdout  # noqa: S101 (for mypy: PIPE was asked for)
            # Its first line comes when the registry has answered; layers may then take their time.
            log.write(pull.stdout.readline())
            impatience.cancel()
            log.writelines(pull.stdout)
        return pull.returncode == 0


def make_root(root: Root, log: IO[bytes]) -> str:
    """Return the tag of a file system made by debootstrap, once per recipe."""
    made = f"rota/root-{root.suite}:{root_hash(root)[:12]}"
    if not inputs_labels([made]):
        script = str(Path(__file__).parent / "debootstrap.sh")
        run_logged([*_as_root(), "bash", script, root.suite, made, LABEL, root_hash(root)], log)
    return made


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n", "-E"]
