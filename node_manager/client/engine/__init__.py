"""One door to the machine's Docker Engine: only our containers, every call with a total deadline.

`node_manager.client.engine.docker_engine.DockerEngine` is the real one,
`node_manager.client.engine.memory.MemoryEngine` its twin; one contract suite holds both
(tests/contract/test_engine_contract.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.errors import Permanent, Retryable
from common.messages import HeldImage
from node_manager.client.domain.attempt import Key, Seen
from node_manager.client.domain.container import ContainerPlan


class EngineUnavailableError(Retryable):
    """Docker did not answer in time; whether the last call took effect is not known."""


class ImageMissingError(Retryable):
    """The image is not on this machine; pull it."""


class PullFailedError(Permanent):
    """The image could not be pulled."""


class NameTakenError(Retryable):
    """A container with this name is there already; look at it."""


class ContainerRefusedError(Permanent):
    """Docker refuses to create or start this container."""


class NoSuchContainerError(Retryable):
    """The container is not there (any more)."""


@dataclass(frozen=True)
class MachineInfo:
    """What Docker says of its machine."""

    cpus: float
    memory_bytes: int
    docker_version: str = ""


class Stream(Protocol):
    """Something that goes on until it ends or is closed; close from any thread."""

    def close(self) -> None: ...


class LogStream(Stream, Protocol):
    """A container's output, stdout and stderr as they came."""

    def __iter__(self) -> Iterator[bytes]: ...


class EventStream(Stream, Protocol):
    """The attempts whose containers changed, as Docker tells."""

    def __iter__(self) -> Iterator[Key]: ...


class Engine(Protocol):
    """The way to Docker. Safe to share between threads.

    Every call but the streams ends within its limit or raises `EngineUnavailableError`.
    """

    def containers(self) -> Sequence[tuple[Key, Seen]]:
        """List all of ours, ended ones too; details that need an inspection are left out."""
        ...

    def inspect(self, name: str) -> Seen | None:
        """Return the container with this name, a foreign one with `is_ours` False."""
        ...

    def create(self, plan: ContainerPlan) -> None:
        """Create, not start; of a pinned image just the content that it names.

        Raises `NameTakenError`, `ImageMissingError`, `ContainerRefusedError`.
        """
        ...

    def start(self, name: str) -> None:
        """Start; one that runs is no error.

        Raises `ContainerRefusedError`, `NoSuchContainerError`.
        """
        ...

    def signal(self, name: str, signal: str) -> None:
        """Send a signal; one that does not run is no error."""
        ...

    def remove(self, name: str) -> None:
        """Remove a container that does not run; one that is gone is no error."""
        ...

    def has_image(self, image: str) -> bool:
        """Tell whether an image is on this machine, of a pinned one just its content."""
        ...

    def held_images(self) -> Sequence[HeldImage]:
        """List the names of all images on this machine, whoever brought them."""
        ...

    def pull(self, image: str, limit_s: float) -> None:
        """Pull an image, a pinned one by its content.

        Raises `PullFailedError`, also when `limit_s` is over, and where only another content under
        its name is to be had: that is left as it is.
        """
        ...

    def remove_image(self, image: str) -> bool:
        """Take an image off this machine; False if a container, anybody's, still needs it."""
        ...

    def logs(self, name: str, *, tail: int | None, follow: bool) -> LogStream:
        """Open the output (the last `tail` lines of it); raise `NoSuchContainerError`."""
        ...

    def events(self, since: datetime, for_s: float) -> EventStream:
        """Open the stream of changes; it ends after `for_s`, or when Docker goes away."""
        ...

    def info(self) -> MachineInfo:
        """Return what Docker says of its machine."""
        ...

    def close(self) -> None: ...
