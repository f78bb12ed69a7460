"""The node manager at work: hears heartbeats, notices silence, tells who belongs to the fleet.

The rules are `domain.membership`. One thread owns the registry; the probe's loop only fills in
what machines answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from common.bus import Bus, Producer, Record
from common.bus.receive import Received
from common.clock import Clock
from common.errors import Retryable
from common.logs import logger
from common.messages import NODES, HeldImage, NodeChanged, NodeHeartbeat, NodeState, encode, key_of
from node_manager.domain.membership import (
    FORGIVEN_S,
    after_heartbeat,
    after_silence,
    after_wish,
    forgive,
    to_be_probed,
)
from node_manager.domain.node import Moment, Node, Probe
from node_manager.store import NodeStore, Request

LOOK_EVERY_S = 1.0
SAVE_EVERY_S = 5.0
DEAF_AFTER_S = 10.0
SEND_TIMEOUT_S = 10.0

_log = logger("node_manager")


class Prober(Protocol):
    """Finds out whether silent machines are alive."""

    def probe(self, node_ids: Iterable[str]) -> dict[str, Probe]: ...


class Hearing(Protocol):
    """The receiver of heartbeats."""

    def run_once(self, timeout_s: float = 0.5) -> int: ...

    def caught_up(self) -> bool: ...


@dataclass(frozen=True)
class Doors:
    """What the registry works with."""

    store: NodeStore
    bus: Bus
    producer: Producer
    clock: Clock


class Registry:
    """All nodes. Owned by one thread, but for `probe_once`, `figures` and `frozen`."""

    def __init__(self, doors: Doors, prober: Prober) -> None:
        self._doors = doors
        self._prober = prober
        self._nodes: dict[str, Node] = {}
        self._is_loaded = False
        self._unsaved: set[str] = set()
        self._untold: set[str] = set()
        self._images: dict[str, tuple[HeldImage, ...]] = {}  # as saved
        self._unsaved_images: dict[str, tuple[HeldImage, ...]] = {}
        self._forgiven_until = 0.0
        self._listened_at = 0.0
        self._looked_at = 0.0
        self._saved_at = 0.0
        self._frozen: str | None = None
        self._probes: dict[str, Probe] = {}
        self._wishes: dict[str, Request] = {}
        self._request_id = 0  # of the latest request read
        self._lock = Lock()  # guards _probes and the reading of _nodes by other threads

    def run_once(self, hearing: Hearing) -> float:
        """Hear what there is, look for silence once a second, save, tell."""
        self._load()
        hearing.run_once(LOOK_EVERY_S / 2)
        now = self._now()
        if now.monotonic - self._listened_at > DEAF_AFTER_S or not hearing.caught_up():
            self._forgive(now)
        self._listened_at = now.monotonic
        if now.monotonic - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now.monotonic
            self._look(now)
            self._read_wishes(now)
        self._save(now)
        self._tell()
        return 0.0

    def hear(self, batch: Sequence[Received]) -> None:
        """Take heartbeats in; the handler of the receiver."""
        now = self._now()
        for received in batch:
            beat = received.message
            if isinstance(beat, NodeHeartbeat):
                before = self._nodes.get(beat.node_id)
                after = after_heartbeat(before, beat, now, _skew_s(beat, received.record))
                self._keep(self._wished(after, now), before)
                if beat.images is not None and after.boot_id == beat.boot_id:
                    self._unsaved_images[beat.node_id] = beat.images

    def probe_once(self) -> None:
        """Ask the machines of silent clients; runs on a thread of its own."""
        with self._lock:
            nodes = list(self._nodes.values())
        silent = to_be_probed(nodes, self._now())
        answers = self._prober.probe(silent) if silent else {}
        with self._lock:
            self._probes = answers

    def figures(self) -> Counter[NodeState]:
        """Count the nodes by state."""
        with self._lock:
            return Counter(node.state for node in self._nodes.values())

    def frozen(self) -> str | None:
        """Return why nobody is declared lost at present, or None."""
        return self._frozen

    def _load(self) -> None:
        """Take up the registry, once: everyone is told of it again, nobody is lost for a minute."""
        if self._is_loaded:
            return
        now = self._now()
        nodes = self._doors.store.load(now.monotonic)
        with self._lock:
            self._nodes = {node.node_id: node for node in nodes}
        self._untold = set(self._nodes)
        self._is_loaded = True
        self._listened_at = now.monotonic
        self._forgiven_until = now.monotonic + FORGIVEN_S

    def _look(self, now: Moment) -> None:
        with self._lock:
            probes = dict(self._probes)
        verdict = after_silence(
            self._nodes.values(), probes, now, forgiven_until=self._forgiven_until
        )
        if verdict.changed and not self._bus_answers():
            self._forgive(now)
            return
        if verdict.frozen != self._frozen:
            _log.error("mass_loss", detail=verdict.frozen or "over")
            self._frozen = verdict.frozen
        for node in verdict.changed:
            self._keep(node, self._nodes[node.node_id])

    def _read_wishes(self, now: Moment) -> None:
        """Take up what operators asked; a node that is not known yet gets it when it is."""
        for request in self._doors.store.requests(self._request_id):
            self._wishes[request.node_id] = request
            node = self._nodes.get(request.node_id)
            if node is not None and (after := self._wished(node, now)) is not node:
                self._keep(after, node)
            self._request_id = request.request_id

    def _wished(self, node: Node, now: Moment) -> Node:
        request = self._wishes.get(node.node_id)
        return node if request is None else after_wish(node, request.wish, request.drain, now)

    def _bus_answers(self) -> bool:
        """Tell whether silence means anything: without Kafka nobody can be heard."""
        try:
            self._doors.bus.ping(SEND_TIMEOUT_S / 2)
        except Retryable as error:
            _log.warning("silence_is_ours", error=str(error))
            return False
        return True

    def _forgive(self, now: Moment) -> None:
        self._forgiven_until = now.monotonic + FORGIVEN_S
        with self._lock:
            self._nodes |= {node.node_id: node for node in forgive(self._nodes.values(), now)}

    def _keep(self, node: Node, before: Node | None) -> None:
        with self._lock:
            self._nodes[node.node_id] = node
        self._unsaved.add(node.node_id)
        if before is None or node.revision != before.revision:
            self._untold.add(node.node_id)
            _log.info("node_changed", node_id=node.node_id, state=node.state.value,
                      before=before.state.value if before else None, reason=node.reason,
                      revision=node.revision)  # fmt: skip

    def _save(self, now: Moment) -> None:
        """Save changes at once, mere heartbeats every 5 s."""
        for node_id, images in list(self._unsaved_images.items()):
            if self._images.get(node_id) != images:
                self._doors.store.save_images(node_id, images)
            self._images[node_id] = images
            del self._unsaved_images[node_id]
        if not self._untold and now.monotonic - self._saved_at < SAVE_EVERY_S:
            return
        self._doors.store.save([self._nodes[node_id] for node_id in sorted(self._unsaved)])
        self._unsaved.clear()
        self._saved_at = now.monotonic

    def _tell(self) -> None:
        """Publish what changed, after it is saved; what is not confirmed is published again."""
        pendings = []
        for node_id in sorted(self._untold):
            message = _message_of(self._nodes[node_id], self._now())
            sent = self._doors.producer.send(NODES, key_of(message), encode(message))
            pendings.append((node_id, sent))
        for node_id, pending in pendings:
            pending.wait(SEND_TIMEOUT_S)
            self._untold.discard(node_id)

    def _now(self) -> Moment:
        return Moment(self._doors.clock.now(), self._doors.clock.monotonic())


def _skew_s(beat: NodeHeartbeat, record: Record) -> float:
    """Return how far the node's clock is ahead of the broker's: negative for a slow way, too."""
    return 0.0 if beat.time is None else beat.time.timestamp() - record.timestamp_ms / 1000


def _message_of(node: Node, now: Moment) -> NodeChanged:
    return NodeChanged(
        time=now.wall,
        node_id=node.node_id,
        state=node.state,
        revision=node.revision,
        boot_id=node.boot_id,
        address=node.address,
        log_port=node.log_port,
        labels=dict(node.labels),
        cpus=node.cpus,
        memory_bytes=node.memory_bytes,
        reason=node.reason,
        drain=node.drain,
        since=node.since,
    )
