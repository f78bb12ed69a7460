"""What the client tells of its machine: heartbeats, and how it hears of Docker's changes."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from common.bus import Producer
from common.clock import Clock
from common.errors import ConfigError, Retryable
from common.lifecycle import heartbeat_at
from common.messages import NODE_HEARTBEATS, HeldImage, NodeHeartbeat, encode, key_of
from node_manager.client.engine import Engine, EventStream, MachineInfo
from node_manager.client.service import Agent
from node_manager.client.standing import NameRegister

HEARTBEAT_S = 5.0
LEAST_GAP_S = 0.1
LOOK_AT_IMAGES_S = 5.0
TELL_IMAGES_S = 60.0
MOST_IMAGES = 500
EVENTS_FOR_S = 50.0
WATCHDOG_SILENT_S = 30.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Identity:
    """Who this client is, as configured, and which boot of its machine it lives in.

    `cpus` and `memory_bytes` are what it offers; 0: what Docker says the machine has.
    """

    node_id: str
    boot_id: str
    address: str
    log_port: int
    labels: dict[str, str]
    version: str
    cpus: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Ways:
    """Where heartbeats get their facts, and where they go; `clock` is the machine's own."""

    engine: Engine
    producer: Producer
    clock: Clock
    register: NameRegister


class HeldImages:
    """What there is to tell of the machine's images: at a change, and once a minute. One thread's.

    A machine with more than 500 names tells of the first 500 by name.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._looked_at = self._told_at = -TELL_IMAGES_S
        self._found: tuple[HeldImage, ...] | None = None
        self._told: tuple[HeldImage, ...] | None = None

    def news(self) -> tuple[HeldImage, ...] | None:
        """Return the images if they are to be told now; None also while Docker does not answer."""
        now_s = self._clock.monotonic()
        if self._found is None or now_s - self._looked_at >= LOOK_AT_IMAGES_S:
            self._looked_at = now_s
            with suppress(Retryable):
                self._found = tuple(self._engine.held_images())[:MOST_IMAGES]
        is_news = self._found != self._told or now_s - self._told_at >= TELL_IMAGES_S
        return self._found if is_news else None

    def note_told(self, images: tuple[HeldImage, ...] | None) -> None:
        """A heartbeat with these images has reached Kafka."""
        if images is not None:
            self._told, self._told_at = images, self._clock.monotonic()


class Heartbeats:
    """Tells every 5 s, and at once after a change, what runs here. Owned by one thread."""

    def __init__(self, agent: Agent, identity: Identity, ways: Ways) -> None:
        self._agent = agent
        self._identity = identity
        self._engine, self._producer, self._clock = ways.engine, ways.producer, ways.clock
        self._register = ways.register
        self._sequence = 0
        self._heard_since: float | None = None
        self._info = MachineInfo(0.0, 0)
        self._images = HeldImages(ways.engine, ways.clock)
        heartbeat_at.labels(NODE_HEARTBEATS).set(self._clock.now().timestamp())

    def run_once(self) -> float:
        """Wait for a change or the next beat, and send it; raise `Retryable` without Kafka.

        One is on its way at a time, so that no stale beats pile up while Kafka is away.
        """
        self._agent.changed.wait(HEARTBEAT_S)  # the first sweep is a change, too
        self._agent.changed.clear()
        message = self.message()
        pending = self._producer.send(NODE_HEARTBEATS, key_of(message), encode(message))
        sent_at = self._clock.monotonic()
        try:
            pending.wait(HEARTBEAT_S)
        except Retryable:
            self._heard_since = None
            raise
        self._images.note_told(message.images)
        self._heard_since = self._heard_since or sent_at
        heartbeat_at.labels(NODE_HEARTBEATS).set(self._clock.now().timestamp())
        return LEAST_GAP_S

    def heard_for_s(self) -> float:
        """Return for how long every heartbeat has reached Kafka."""
        since = self._heard_since
        return 0.0 if since is None else self._clock.monotonic() - since

    def message(self) -> NodeHeartbeat:
        """Write the next heartbeat."""
        self._sequence += 1
        error = self._agent.docker_error()
        if error is None and not self._info.cpus:
            error = self._ask_machine()
        # Who does not hold the name must not be taken for a holder on which nothing runs.
        error = self._register.error() or error
        who = self._identity
        return NodeHeartbeat(
            time=self._clock.now(),
            node_id=who.node_id,
            boot_id=who.boot_id,
            sequence=self._sequence,
            address=who.address,
            log_port=who.log_port,
            labels=who.labels,
            cpus=who.cpus or self._info.cpus,
            memory_bytes=who.memory_bytes or self._info.memory_bytes,
            docker_ok=error is None,
            detail=error,
            client_version=who.version,
            containers=self._agent.containers(),
            images=self._images.news() if error is None else None,
        )

    def wake(self) -> None:
        """Let `run_once` return soon."""
        self._agent.changed.set()

    def _ask_machine(self) -> str | None:
        try:
            self._info = self._engine.info()
        except Retryable as error:
            return str(error)
        return None


class Watch:
    """Follows Docker's events: an end is noticed at once; the sweep finds what this misses."""

    def __init__(self, agent: Agent, engine: Engine, clock: Clock) -> None:
        self._agent = agent
        self._engine = engine
        self._clock = clock
        self._since = clock.now()
        self._lock = threading.Lock()
        self._stream: EventStream | None = None

    def run_once(self) -> float:
        """Follow for most of a minute; raise `Retryable` when Docker goes away."""
        began = self._clock.now()
        # Docker keeps some past events: begin where the last stream ended, but not long ago.
        since = max(self._since, began - timedelta(seconds=10))
        ahead_s = (began - since).total_seconds()
        stream = self._engine.events(since, EVENTS_FOR_S + ahead_s)
        with self._lock:
            self._stream = stream
        for key in stream:
            self._since = self._clock.now()
            self._agent.touch(key)
        self._since = self._clock.now()
        return 0.2

    def wake(self) -> None:
        """Let `run_once` return soon."""
        with self._lock:
            if self._stream is not None:
                self._stream.close()


def read_boot_id(marker: Path | None = None) -> str:
    """Return the id of this boot of the machine.

    A `marker` below the machine's /run is gone after a boot, so what is written there names one
    boot even where several machines share a kernel. Without it: the kernel's own boot id.
    """
    if marker is None:
        return BOOT_ID.read_text(encoding="ascii").strip()
    try:
        found = marker.read_text(encoding="ascii").strip() if marker.exists() else ""
        if not found:
            found = uuid.uuid4().hex
            marker.write_text(found, encoding="ascii")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{marker} of ROTA_CLIENT_RUN_FOLDER: {error}") from error
    return found


def watchdog_error(alive: Path | None, clock: Clock) -> str | None:
    """Say that the machine's watchdog died; None also where none was ever seen."""
    if alive is None or not alive.exists():
        return None
    silent_s = clock.now().timestamp() - alive.stat().st_mtime
    return f"silent for {silent_s:.0f} s" if silent_s > WATCHDOG_SILENT_S else None
