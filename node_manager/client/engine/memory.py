"""The engine's twin in memory: containers that run until a test ends them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from common.clock import Clock
from common.image import name_of_image, split_image
from common.messages import HeldImage
from node_manager.client.domain.attempt import Key, Seen, Status
from node_manager.client.domain.container import (
    KEEP_UNTIL,
    LABEL,
    SPEC_HASH,
    ContainerPlan,
    Owner,
    is_of_former_boot,
)
from node_manager.client.engine import (
    ContainerRefusedError,
    EngineUnavailableError,
    ImageMissingError,
    MachineInfo,
    NameTakenError,
    NoSuchContainerError,
    PullFailedError,
)
from node_manager.client.engine.translate import instant_of, key_of_labels


@dataclass
class _Container:
    plan: ContainerPlan
    seen: Seen
    output: list[bytes] = field(default_factory=list)


class MemoryEngine:
    """Docker in memory. Tests steer it by its public attributes and `end`.

    `starts` lists every start by name; `deaf` names ignore all signals but SIGKILL; `refused`
    images cannot be started; `is_down` makes every call fail. A name in `contents` stands for
    that id, any other for one made of the name. `slow` names are started only when `let_go`, as by
    a Docker that hangs: until then nobody is told, and they cannot be removed.
    """

    def __init__(self, owner: Owner, clock: Clock, images: Sequence[str] = ()) -> None:
        self.images = set(images)
        self.pullable: set[str] = set()
        self.contents: dict[str, str] = {}
        self.refused: set[str] = set()
        self.deaf: set[str] = set()
        self.slow: set[str] = set()
        self._starting: set[str] = set()
        self.is_down = False
        self.starts: list[str] = []
        self.created: list[str] = []
        self.pulled: list[str] = []
        self.signals: list[tuple[str, str, datetime]] = []
        self._owner = owner
        self._clock = clock
        self._lock = threading.RLock()
        self._containers: dict[str, _Container] = {}

    def containers(self) -> Sequence[tuple[Key, Seen]]:
        self._check()
        with self._lock:
            found = []
            for one in self._containers.values():
                key = key_of_labels(one.plan.labels, self._owner)
                if key is not None:
                    found.append((key, one.seen))
            return found

    def inspect(self, name: str) -> Seen | None:
        self._check()
        with self._lock:
            found = self._containers.get(name)
            if found is None:
                return None
            is_former = is_of_former_boot(found.plan.labels, self._owner)
            return replace(found.seen, is_of_former_boot=is_former)

    def create(self, plan: ContainerPlan) -> None:
        self._check()
        with self._lock:
            if plan.name in self._containers:
                raise NameTakenError
            if not self.has_image(plan.image):
                raise ImageMissingError
            labels = plan.labels
            timeout = labels.get(f"{LABEL}timeout")
            seen = Seen(
                container_id=f"id-{len(self.created)}",
                status=Status.CREATED,
                is_ours=key_of_labels(labels, self._owner) is not None,
                epoch=int(labels.get(f"{LABEL}epoch", "0")),
                stop_at=instant_of(labels.get(f"{LABEL}deadline")),
                timeout_s=int(timeout) if timeout else None,
                grace_s=int(labels.get(f"{LABEL}grace", "10")),
                restart=labels.get(f"{LABEL}restart", "never"),
                keep_until=instant_of(labels.get(KEEP_UNTIL)),
                spec_hash=labels.get(SPEC_HASH),
            )
            self._containers[plan.name] = _Container(plan, seen)
            self.created.append(plan.name)

    def start(self, name: str) -> None:
        self._check()
        with self._lock:
            one = self._found(name)
            if one.seen.status is Status.RUNNING:
                return
            if one.plan.image in self.refused:
                raise ContainerRefusedError("no such command")
            if name in self.slow:
                self._starting.add(name)
                raise EngineUnavailableError("no answer in time")
            one.seen = replace(
                one.seen, status=Status.RUNNING, started_at=self._clock.now(), exit_code=None,
                ended_at=None,
            )  # fmt: skip
            self.starts.append(name)

    def let_go(self, name: str) -> None:
        """Carry out the start that was asked for long ago."""
        self.slow.discard(name)
        self._starting.discard(name)
        self.start(name)

    def forget_start(self, name: str) -> None:
        """Lose a start that was asked for, and go on hanging at the next."""
        self._starting.discard(name)

    def signal(self, name: str, signal: str) -> None:
        self._check()
        with self._lock:
            self.signals.append((name, signal, self._clock.now()))
            one = self._containers.get(name)
            if one is None or one.seen.status is not Status.RUNNING:
                return
            if signal == "SIGKILL":
                self.end(name, 137)
            elif name not in self.deaf:
                self.end(name, 0)

    def remove(self, name: str) -> None:
        self._check()
        with self._lock:
            one = self._containers.get(name)
            if one is not None and one.seen.status is Status.RUNNING:
                raise EngineUnavailableError("cannot remove a running container")
            if name in self._starting:
                raise EngineUnavailableError("no answer in time")
            self._containers.pop(name, None)

    def has_image(self, image: str) -> bool:
        self._check()
        name, digest = split_image(image)
        return name in self.images and digest in (None, self._content_of(name))

    def held_images(self) -> Sequence[HeldImage]:
        self._check()
        return [HeldImage(name=name, id=self._content_of(name)) for name in sorted(self.images)]

    def remove_image(self, image: str) -> bool:
        self._check()
        with self._lock:
            if any(one.plan.image == image for one in self._containers.values()):
                return False
            self.images.discard(name_of_image(image))
            return True

    def pull(self, image: str, limit_s: float) -> None:  # noqa: ARG002
        self._check()
        name, digest = split_image(image)
        is_other = digest not in (None, self._content_of(name))
        if is_other and name in self.images | self.pullable:
            raise PullFailedError(f"{name} is {self._content_of(name)}, and not {digest}")
        if name not in self.pullable:
            raise PullFailedError(f"{image}: no registry")
        self.images.add(name)
        self.pulled.append(image)

    def logs(self, name: str, *, tail: int | None, follow: bool) -> MemoryStream:  # noqa: ARG002
        self._check()
        with self._lock:
            lines = self._found(name).output
            return MemoryStream(lines if tail is None else lines[len(lines) - tail :])

    def events(self, since: datetime, for_s: float) -> MemoryEvents:  # noqa: ARG002
        self._check()
        return MemoryEvents()

    def info(self) -> MachineInfo:
        self._check()
        return MachineInfo(2.0, 4 << 30, "memory")

    def close(self) -> None:
        return

    def end(self, name: str, exit_code: int, *, oom_killed: bool = False) -> None:
        """Let a running container end."""
        with self._lock:
            one = self._found(name)
            one.seen = replace(
                one.seen, status=Status.EXITED, ended_at=self._clock.now(), exit_code=exit_code,
                oom_killed=oom_killed,
            )  # fmt: skip

    def reboot(self, boot_id: str) -> None:
        """Be the Docker of a machine that was started anew."""
        self._owner = replace(self._owner, boot_id=boot_id)

    def write(self, name: str, line: bytes) -> None:
        """Let a container print a line."""
        with self._lock:
            self._found(name).output.append(line)

    def vanish(self, name: str) -> None:
        """Remove a container by force, as a stranger would."""
        with self._lock:
            self._containers.pop(name, None)

    def _content_of(self, name: str) -> str:
        made = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        return self.contents.get(name, made)

    def _found(self, name: str) -> _Container:
        found = self._containers.get(name)
        if found is None:
            raise NoSuchContainerError(name)
        return found

    def _check(self) -> None:
        if self.is_down:
            raise EngineUnavailableError("Docker is down")


class MemoryStream:
    """Lines that are there already."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[bytes]:
        yield from self._lines

    def close(self) -> None:
        return


class MemoryEvents:
    """No events: the sweep finds every change."""

    def __iter__(self) -> Iterator[Key]:
        return iter(())

    def close(self) -> None:
        return
