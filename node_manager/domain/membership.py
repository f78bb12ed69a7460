"""Who belongs to the fleet: from heartbeats and silence to states of nodes. Pure.

Ages are differences of a monotonic clock, so a step of the wall clock loses nobody. Whether a
machine answers a probe, and whether the silence is our own fault, comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from common.messages import NodeHeartbeat, NodeState

SUSPECT_AFTER_S = 15.0
PROBE_AFTER_S = 25.0
LOST_AFTER_S = 30.0
FORGIVEN_S = 60.0
MASS_LOSS_LEAST = 3


class Wish(StrEnum):
    """What an operator decided about a node; it outlives every heartbeat and silence."""

    NONE = ""
    DRAINING = "DRAINING"
    REMOVED = "REMOVED"


class Probe(StrEnum):
    """What a probe of a silent machine found."""

    UNKNOWN = "unknown"  # not asked yet
    UNCONFIGURED = "unconfigured"  # silence alone decides
    ALIVE = "alive"
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine as the node manager knows it.

    `heard_at` is monotonic seconds of the last heartbeat taken, `last_heartbeat` the same by wall
    clock for people. `revision` rises with every change that others are told of.
    """

    node_id: str
    state: NodeState
    boot_id: str
    address: str
    log_port: int
    labels: Mapping[str, str]
    cpus: float
    memory_bytes: int
    heard_at: float
    last_heartbeat: datetime
    since: datetime
    revision: int
    reason: str | None = None
    wish: Wish = Wish.NONE
    former_boot_id: str | None = None


@dataclass(frozen=True)
class Moment:
    """Now, on both clocks."""

    wall: datetime
    monotonic: float


@dataclass(frozen=True)
class Verdict:
    """What silence leads to: nodes that changed, and whether losing is frozen, and why."""

    changed: tuple[Node, ...]
    frozen: str | None = None


def after_heartbeat(node: Node | None, beat: NodeHeartbeat, now: Moment) -> Node:
    """Return the node after a heartbeat; the revision has risen if others must know.

    A second machine under the same name is refused: the first keeps it for as long as it is heard.
    """
    if node is None:
        return _new_node(beat, now)
    rival = _rivalry(node, beat, now)
    if rival is not None:
        return node if node.reason == rival else _told(replace(node, reason=rival), now, node)
    former = node.boot_id if beat.boot_id != node.boot_id else node.former_boot_id
    heard = replace(
        node,
        boot_id=beat.boot_id,
        address=beat.address,
        log_port=beat.log_port,
        labels=dict(beat.labels),
        cpus=beat.cpus or node.cpus,
        memory_bytes=beat.memory_bytes or node.memory_bytes,
        heard_at=now.monotonic,
        last_heartbeat=now.wall,
        former_boot_id=former,
    )
    state, reason = _state_when_heard(node, beat)
    if beat.boot_id != node.boot_id:
        reason = reason or f"restarted: boot {beat.boot_id}"
    elif state is node.state and reason is None and not _is_about_docker(node):
        reason = node.reason  # a refused rival or a restart stays to be read
    return _told(replace(heard, state=state, reason=reason), now, node)


def after_silence(
    nodes: Iterable[Node], probes: Mapping[str, Probe], now: Moment, *, forgiven_until: float
) -> Verdict:
    """Find out who fell silent.

    None is lost before `forgiven_until` (monotonic): the silence may be ours. When more than half
    of at least three nodes are silent at once, that is taken for a fault of the network or of the
    platform: nobody is lost until it is over.
    """
    known = list(nodes)
    frozen = _mass_loss(known, now)
    changed: list[Node] = []
    for node in known:
        state, reason = node.state, node.reason
        age_s = now.monotonic - node.heard_at
        if node.state is NodeState.REMOVED or node.state is NodeState.LOST:
            continue
        if age_s >= LOST_AFTER_S and now.monotonic >= forgiven_until:
            state, reason = _silent_for_long(node, probes.get(node.node_id, Probe.UNKNOWN), frozen)
        elif age_s >= SUSPECT_AFTER_S and node.state is NodeState.ACTIVE:
            state, reason = NodeState.SUSPECT, f"silent for {SUSPECT_AFTER_S:g} s"
        after = _told(replace(node, state=state, reason=reason), now, node)
        if after is not node:
            changed.append(after)
    return Verdict(tuple(changed), frozen)


def to_be_probed(nodes: Iterable[Node], now: Moment) -> list[str]:
    """List the nodes whose machines should be asked whether they are alive."""
    return [
        node.node_id
        for node in nodes
        if node.state not in (NodeState.LOST, NodeState.REMOVED)
        and now.monotonic - node.heard_at >= PROBE_AFTER_S
    ]


def forgive(nodes: Iterable[Node], now: Moment) -> list[Node]:
    """Return the nodes as if heard just now: we were the ones who did not listen."""
    return [replace(node, heard_at=now.monotonic) for node in nodes]


def _new_node(beat: NodeHeartbeat, now: Moment) -> Node:
    state = NodeState.ACTIVE if beat.docker_ok else NodeState.SUSPECT
    return Node(
        node_id=beat.node_id, state=state, boot_id=beat.boot_id, address=beat.address,
        log_port=beat.log_port, labels=dict(beat.labels), cpus=beat.cpus,
        memory_bytes=beat.memory_bytes, heard_at=now.monotonic, last_heartbeat=now.wall,
        since=now.wall, revision=1, reason=_docker_words(beat),
    )  # fmt: skip


def _state_when_heard(node: Node, beat: NodeHeartbeat) -> tuple[NodeState, str | None]:
    """A machine that is heard is what its operator wants; without Docker it gets nothing new."""
    match node.wish:
        case Wish.REMOVED:
            return NodeState.REMOVED, node.reason
        case Wish.DRAINING:
            return NodeState.DRAINING, _docker_words(beat)
        case _:
            state = NodeState.ACTIVE if beat.docker_ok else NodeState.SUSPECT
            return state, _docker_words(beat)


def _docker_words(beat: NodeHeartbeat) -> str | None:
    return None if beat.docker_ok else f"docker: {beat.detail or 'does not answer'}"[:500]


def _is_about_docker(node: Node) -> bool:
    return node.reason is not None and node.reason.startswith("docker: ")


def _rivalry(node: Node, beat: NodeHeartbeat, now: Moment) -> str | None:
    """Say why a heartbeat comes from another machine of the same name, if it does.

    A moved or restarted machine is silent for a while, two machines are not: another address, or
    the boot before the last, while the known one is still fresh, is a second machine.
    """
    if now.monotonic - node.heard_at >= SUSPECT_AFTER_S:
        return None
    if beat.address != node.address:
        return f"a second machine at {beat.address} uses this name and is refused"
    if beat.boot_id not in (node.boot_id, node.former_boot_id) or beat.boot_id == node.boot_id:
        return None
    return f"a second machine (boot {beat.boot_id}) uses this name and is refused"


def _mass_loss(nodes: Iterable[Node], now: Moment) -> str | None:
    """Say that too many are silent together, if they are (guarantees.md, 3)."""
    ages = [
        now.monotonic - node.heard_at
        for node in nodes
        if node.state not in (NodeState.REMOVED, NodeState.LOST)
    ]
    silent = sum(age >= SUSPECT_AFTER_S for age in ages)
    if len(ages) >= MASS_LOSS_LEAST and silent * 2 > len(ages):
        return f"{silent} of {len(ages)} nodes fell silent together: none is declared lost"
    return None


def _silent_for_long(
    node: Node, probe: Probe, frozen: str | None
) -> tuple[NodeState, str | None]:
    waiting = node.state if node.state is NodeState.DRAINING else NodeState.SUSPECT
    if frozen is not None:
        return waiting, "silent, with most of the fleet"
    match probe:
        case Probe.ALIVE:
            return waiting, "its client is silent, the machine answers on its SSH port"
        case Probe.UNKNOWN:
            return waiting, node.reason
        case Probe.UNCONFIGURED:
            return NodeState.LOST, f"silent for {LOST_AFTER_S:g} s"
        case Probe.SILENT:
            return NodeState.LOST, f"silent for {LOST_AFTER_S:g} s, its SSH port too"


def _told(after: Node, now: Moment, before: Node) -> Node:
    """Raise the revision if anything changed that others are told of."""
    if _public(after) == _public(before):
        return after if after.heard_at != before.heard_at else before
    since = now.wall if after.state is not before.state else before.since
    return replace(after, revision=before.revision + 1, since=since)


def _public(node: Node) -> tuple[object, ...]:
    return (
        node.state, node.boot_id, node.address, node.log_port, dict(node.labels), node.cpus,
        node.memory_bytes, node.reason, node.wish,
    )  # fmt: skip
