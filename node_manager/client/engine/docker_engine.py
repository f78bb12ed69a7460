"""The real door to Docker, by docker-py on the local socket. Nobody else imports docker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import docker
import docker.errors

from common.messages import HeldImage
from node_manager.client.domain.attempt import Key, Seen
from node_manager.client.domain.container import LABEL, ContainerPlan, Owner
from node_manager.client.engine import (
    ContainerRefusedError,
    EngineUnavailableError,
    ImageMissingError,
    MachineInfo,
    NameTakenError,
    NoSuchContainerError,
)
from node_manager.client.engine.connection import SOCKET, Connection, words_of
from node_manager.client.engine.images import DockerImages
from node_manager.client.engine.streams import DockerEventStream, DockerLogStream
from node_manager.client.engine.translate import (
    host_options,
    is_made_meanwhile,
    key_of_labels,
    network_options,
    seen_of_inspection,
    seen_of_listing,
)

QUICK_S = 10.0
CREATE_S = 30.0
START_S = 60.0
STREAM_OPEN_S = 10.0
FOLLOW_S = 6 * 3600.0  # a container may be quiet for long; whoever leaves closes the stream
CONFLICT = 409


class DockerEngine:
    """Docker on this machine."""

    def __init__(self, owner: Owner, base_url: str = SOCKET) -> None:
        self._owner = owner
        self._docker = Connection(base_url)
        self._images = DockerImages(self._docker)
        self._cpus = 0.0

    def containers(self) -> Sequence[tuple[Key, Seen]]:
        filters = {
            "label": [
                f"{LABEL}platform={self._owner.platform}",
                f"{LABEL}node={self._owner.node_id}",
            ]
        }
        found = self._docker.call(QUICK_S, lambda api: api.containers(all=True, filters=filters))
        ours = []
        for one in found:
            key = key_of_labels(one.get("Labels") or {}, self._owner)
            if key is not None and f"/{key.name}" in one.get("Names", []):
                ours.append((key, seen_of_listing(one)))
        return ours

    def inspect(self, name: str) -> Seen | None:
        try:
            found = self._docker.call(QUICK_S, lambda api: api.inspect_container(name))
        except NoSuchContainerError:
            return None
        return seen_of_inspection(found, name, self._owner)

    def create(self, plan: ContainerPlan) -> None:
        try:
            self._create(plan)
        except docker.errors.ImageNotFound as error:
            raise ImageMissingError(f"image {plan.image} is not here") from error
        except NoSuchContainerError as error:  # create's own 404 means the image
            raise ImageMissingError(f"image {plan.image} is not here") from error
        except docker.errors.APIError as error:
            if error.status_code == CONFLICT:
                raise NameTakenError(str(error.explanation)) from error
            raise ContainerRefusedError(words_of(error)) from error

    def start(self, name: str) -> None:
        try:
            self._docker.call(START_S, lambda api: api.start(name))
        except NoSuchContainerError as error:
            if "network" not in str(error):
                raise
            self._ensure_network_of(name)  # 404 also means that the container's network is missing
            self._start_again(name)
        except docker.errors.APIError as error:
            raise ContainerRefusedError(words_of(error)) from error

    def signal(self, name: str, signal: str) -> None:
        try:
            self._docker.call(QUICK_S, lambda api: api.kill(name, signal))
        except NoSuchContainerError:
            return
        except docker.errors.APIError as error:
            if error.status_code == CONFLICT or "is not running" in str(error.explanation):
                return
            raise EngineUnavailableError(words_of(error)) from error

    def remove(self, name: str) -> None:
        try:
            self._docker.call(CREATE_S, lambda api: api.remove_container(name, v=True))
        except NoSuchContainerError:
            return
        except docker.errors.APIError as error:
            raise EngineUnavailableError(words_of(error)) from error

    def has_image(self, image: str) -> bool:
        return self._images.has(image)

    def held_images(self) -> Sequence[HeldImage]:
        return self._images.held()

    def remove_image(self, image: str) -> bool:
        return self._images.remove(image)

    def pull(self, image: str, limit_s: float) -> None:
        self._images.pull(image, limit_s)

    def logs(self, name: str, *, tail: int | None, follow: bool) -> DockerLogStream:
        lines: Any = "all" if tail is None else tail
        stream = self._docker.call(
            STREAM_OPEN_S,
            lambda api: api.logs(name, stream=True, follow=follow, tail=lines),
            read_s=FOLLOW_S if follow else START_S,
        )
        return DockerLogStream(stream)

    def events(self, since: datetime, for_s: float) -> DockerEventStream:
        filters = {
            "type": "container",
            "event": ["die", "oom", "start", "destroy"],
            "label": [f"{LABEL}platform={self._owner.platform}"],
        }
        begin = int(since.timestamp())  # whole seconds, so some events come twice
        stream = self._docker.call(
            STREAM_OPEN_S,
            lambda api: api.events(
                since=begin, until=begin + int(for_s), decode=True, filters=filters
            ),
            read_s=START_S,  # longer than the stream
        )
        return DockerEventStream(stream, self._owner)

    def info(self) -> MachineInfo:
        found = self._docker.call(QUICK_S, lambda api: api.info())
        self._cpus = float(found.get("NCPU") or 0)
        return MachineInfo(
            self._cpus, int(found.get("MemTotal") or 0), str(found.get("ServerVersion") or "")
        )

    def close(self) -> None:
        self._docker.close()

    def _create(self, plan: ContainerPlan) -> None:
        if self._cpus == 0:
            self.info()
        reference = self._images.reference_of(plan.image)

        def create(api: docker.APIClient) -> None:
            options = host_options(plan, self._cpus)
            api.create_container(
                reference,
                command=list(plan.command) or None,
                name=plan.name,
                environment=plan.environment,
                labels=plan.labels,
                user=plan.relaxation.user or None,
                host_config=api.create_host_config(**options),
            )

        self._docker.call(CREATE_S, create)

    def _start_again(self, name: str) -> None:
        try:
            self._docker.call(START_S, lambda api: api.start(name))
        except docker.errors.APIError as error:
            raise ContainerRefusedError(words_of(error)) from error

    def _ensure_network_of(self, name: str) -> None:
        """Make the bridge that the container names; containers on it do not see each other."""
        found = self._docker.call(QUICK_S, lambda api: api.inspect_container(name))
        network = found["HostConfig"]["NetworkMode"]
        options = network_options(network)
        labels = {f"{LABEL}platform": self._owner.platform}
        try:
            self._docker.call(
                CREATE_S,
                lambda api: api.create_network(
                    network, driver="bridge", options=options, labels=labels, check_duplicate=True
                ),
            )
        except docker.errors.APIError as error:
            if error.status_code != CONFLICT and not is_made_meanwhile(str(error)):
                raise ContainerRefusedError(words_of(error)) from error

