"""Docker's endless answers: a container's output, changes of our containers. The door only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import docker.errors

from node_manager.client.domain.attempt import Key
from node_manager.client.domain.container import Owner
from node_manager.client.engine.connection import UNAVAILABLE, translated
from node_manager.client.engine.translate import key_of_labels


class DockerLogStream:
    """Output of one container."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with translated():
            yield from self._stream

    def close(self) -> None:
        _close(self._stream)


class DockerEventStream:
    """Changes of our containers."""

    def __init__(self, stream: Any, owner: Owner) -> None:
        self._stream = stream
        self._owner = owner

    def __iter__(self) -> Iterator[Key]:
        with translated():
            for event in self._stream:
                key = key_of_labels(event.get("Actor", {}).get("Attributes", {}), self._owner)
                if key is not None:
                    yield key

    def close(self) -> None:
        _close(self._stream)


def _close(stream: Any) -> None:
    try:
        stream.close()
    except (AttributeError, docker.errors.DockerException, *UNAVAILABLE):
        return  # it had ended already
