"""Images on the machine, by name and by content: looked up, pulled, removed. The door only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import docker
import docker.errors

from common.image import full_name, name_of_image, repository_of, short_digest, split_image
from common.messages import HeldImage
from node_manager.client.engine import (
    EngineUnavailableError,
    ImageMissingError,
    NoSuchContainerError,
    PullFailedError,
)
from node_manager.client.engine.connection import Connection, words_of

QUICK_S = 10.0
REMOVE_S = 30.0
CONFLICT = 409


class DockerImages:
    """The images of one Docker. Safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        self._docker = connection

    def reference_of(self, image: str) -> str:
        """Return by what Docker is to create a container: the id of just the content that is meant.

        Raises `ImageMissingError`, also where the name stands for another content here.
        """
        name, digest = split_image(image)
        if digest is None:
            return image
        found = self._content(image)
        if found is None:
            raise ImageMissingError(self._other_content(name, digest) or f"{image} is not here")
        return str(found["Id"])

    def has(self, image: str) -> bool:
        """Tell whether the image is here, of a pinned one just that content."""
        return self._content(image) is not None

    def remove(self, image: str) -> bool:
        """Take the image off; False if a container still needs it."""
        found = self._content(image)
        if found is None:
            return True
        _, digest = split_image(image)
        known = f"{repository_of(image)}@{digest}"
        is_known = digest and known in (found.get("RepoDigests") or [])
        reference = known if is_known else name_of_image(image)
        try:
            self._docker.call(REMOVE_S, lambda api: api.remove_image(reference))
        except (docker.errors.ImageNotFound, NoSuchContainerError):
            return True
        except docker.errors.APIError as error:
            if error.status_code == CONFLICT:
                return False
            raise EngineUnavailableError(words_of(error)) from error
        return True

    def pull(self, image: str, limit_s: float) -> None:
        """Pull it, a pinned one by its digest; raise `PullFailedError`.

        An id is no digest that a registry knows: then the name is pulled, where it stands for
        nothing here, and what came must be what was pinned.
        """
        until = time.monotonic() + limit_s
        name, digest = split_image(image)
        if digest is None:
            self._pull(name, until)
            return
        other = self._other_content(name, digest)
        try:
            self._pull(f"{repository_of(name)}@{digest}", until)
        except PullFailedError as error:
            if other:
                raise PullFailedError(f"{other} (by digest: {error})"[:500]) from error
            self._pull(name, until)
            if not self.has(image):
                came = self._other_content(name, digest) or f"{image} did not come"
                raise PullFailedError(came) from error

    def held(self) -> Sequence[HeldImage]:
        """List every name that an image has here, sorted."""
        found = self._docker.call(QUICK_S, lambda api: api.images())
        return sorted((held for one in found for held in held_of(one)), key=lambda one: one.name)

    def _pull(self, reference: str, until: float) -> None:
        limit_s = until - time.monotonic()
        try:
            self._docker.call(max(limit_s, 0.0), lambda api: _pull(api, reference, until))
        except (docker.errors.APIError, NoSuchContainerError) as error:
            said = words_of(error) if isinstance(error, docker.errors.APIError) else str(error)
            raise PullFailedError(f"{reference}: {said}") from error
        except EngineUnavailableError as error:
            raise PullFailedError(f"{reference}: not pulled in time") from error

    def _content(self, image: str) -> Mapping[str, Any] | None:
        """Return what Docker says of the image: of a pinned one by its tag, or by its digest."""
        name, digest = split_image(image)
        found = self._inspect(name)
        if digest is None or (found is not None and is_content(found, digest)):
            return found
        return self._inspect(f"{repository_of(name)}@{digest}")

    def _other_content(self, name: str, digest: str) -> str | None:
        """Say what else the name stands for here; None: for nothing."""
        found = self._inspect(name)
        if found is None or is_content(found, digest):
            return None
        return (f"{name} is {short_digest(str(found['Id']))} on this machine, and not the"
                f" {short_digest(digest)} that was registered: send that one, or register the"
                " application (or apply the file) again to take what is here now")  # fmt: skip

    def _inspect(self, reference: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._docker.call(
                QUICK_S, lambda api: api.inspect_image(reference)  # type: ignore[no-untyped-call]
            )  # fmt: skip
        except (docker.errors.ImageNotFound, NoSuchContainerError):
            return None
        except docker.errors.APIError as error:
            raise EngineUnavailableError(words_of(error)) from error
        return found


def is_content(found: Mapping[str, Any], digest: str) -> bool:
    """Tell whether an image that Docker knows is what the digest names, by either kind of it."""
    known = found.get("RepoDigests") or []
    return found["Id"] == digest or any(str(one).endswith(f"@{digest}") for one in known)


def held_of(found: Mapping[str, Any]) -> list[HeldImage]:
    """Read one element of `GET /images/json`: its names, each with its own repository's digest."""
    digests = {
        full_name(repository): digest
        for repository, _, digest in (one.partition("@") for one in found.get("RepoDigests") or [])
        if repository != "<none>"
    }
    return [
        HeldImage(name=full_name(tag), id=found["Id"],
                  digest=digests.get(full_name(repository_of(tag))))
        for tag in found.get("RepoTags") or []
        if tag != "<none>:<none>"
    ]  # fmt: skip


def _pull(api: docker.APIClient, image: str, until: float) -> None:
    """Pull, reading the progress so that a registry that dribbles is left at the limit."""
    repository, tag = image, None
    if "@" not in image and ":" not in image.rsplit("/", 1)[-1]:
        tag = "latest"
    for line in api.pull(repository, tag=tag, stream=True, decode=True):
        if "error" in line:
            raise PullFailedError(f"{image}: {line['error']}")
        if time.monotonic() > until:
            raise PullFailedError(f"{image}: not pulled in time")
