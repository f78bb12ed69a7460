"""Who belongs to the fleet: from heartbeats and silence to states of nodes. Pure.

Ages are differences of a monotonic clock, so a step of the wall clock loses nobody. Whether a
machine answers a probe, and whether the silence is our own fault, comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from common.messages import NodeHeartbeat, NodeState
from node_manager.domain.node import DrainMode, Moment, Node, Probe, Wish, told
from node_manager.domain.trial import (
    after_falling_silent,
    after_forgiving,
    after_return,
    after_skew,
    is_silent,
    why_held,
)

SUSPECT_AFTER_S = 15.0
PROBE_AFTER_S = 25.0
LOST_AFTER_S = 30.0
FORGIVEN_S = 60.0
MASS_LOSS_LEAST = 3


@dataclass(frozen=True)
class Verdict:
    """What silence leads to: nodes that changed, and whether losing is frozen, and why."""

    changed: tuple[Node, ...]
    frozen: str | None = None


def after_heartbeat(
    node: Node | None, beat: NodeHeartbeat, now: Moment, skew_s: float = 0.0
) -> Node:
    """Return the node after a heartbeat; the revision has risen if others must know.

    `skew_s` is how far its clock was ahead of the broker's when it was taken there.
    A second machine under the same name is refused: the first keeps it for as long as it is heard.
    """
    if node is None:
        first = after_skew(_new_node(beat, now), skew_s)
        state, reason = _state_when_heard(first, beat, now)
        return replace(first, state=state, reason=reason)
    rival = _rivalry(node, beat, now)
    if rival is not None:
        return node if node.reason == rival else told(replace(node, reason=rival), now, node)
    former = node.boot_id if beat.boot_id != node.boot_id else node.former_boot_id
    is_new_boot = beat.boot_id != node.boot_id
    heard = replace(
        after_skew(after_return(node, now, is_new_boot=is_new_boot), skew_s),
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
    state, reason = _state_when_heard(heard, beat, now)
    if is_new_boot:
        words = f"restarted: boot {beat.boot_id}"
        reason = f"{words}; {reason}"[:500] if reason else words
    elif state is node.state and reason is None and not _is_about_docker(node):
        reason = node.reason  # a refused rival or a restart stays to be read
    return told(replace(heard, state=state, reason=reason), now, node)


def after_wish(node: Node, wish: Wish, drain: DrainMode | None, now: Moment) -> Node:
    """Return the node as its operator wants it; the same wish again changes nothing."""
    if (node.wish, node.drain) == (wish, drain):
        return node
    state = node.state
    match wish:
        case Wish.REMOVED:
            state = NodeState.REMOVED
        case Wish.DRAINING if state is not NodeState.LOST:
            state = NodeState.DRAINING
        case Wish.NONE if state in (NodeState.DRAINING, NodeState.REMOVED):
            state = NodeState.SUSPECT  # until its next heartbeat says that it is well
    reason = {Wish.NONE: "in use again", Wish.DRAINING: "drained", Wish.REMOVED: "removed"}[wish]
    return told(replace(node, wish=wish, drain=drain, state=state, reason=reason), now, node)


def after_silence(
    nodes: Iterable[Node], probes: Mapping[str, Probe], now: Moment, *, forgiven_until: float
) -> Verdict:
    """Find out who fell silent.

    None is lost before `forgiven_until` (monotonic): the silence may be ours. When more than half
    of at least three nodes are silent at once, that is taken for a fault of the network or of the
    platform: nobody is lost until it is over.
    """
    known = list(nodes)
    look = _Look(now, _mass_loss(known, now), is_forgiven=now.monotonic < forgiven_until)
    looked_at = (
        (node, _after_look(node, probes.get(node.node_id, Probe.UNKNOWN), look)) for node in known
    )
    changed = tuple(after for before, after in looked_at if after is not before)
    return Verdict(changed, look.frozen)


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
    return [after_forgiving(node, now) for node in nodes]


@dataclass(frozen=True)
class _Look:
    """One look at the whole fleet."""

    now: Moment
    frozen: str | None
    is_forgiven: bool


def _after_look(node: Node, probe: Probe, look: _Look) -> Node:
    age_s = look.now.monotonic - node.heard_at
    if node.state in (NodeState.REMOVED, NodeState.LOST) or age_s < SUSPECT_AFTER_S:
        return node
    state: NodeState = node.state
    reason = node.reason
    if age_s >= LOST_AFTER_S and not look.is_forgiven:
        state, reason = _silent_for_long(node, probe, look.frozen)
    elif node.state is NodeState.ACTIVE or not is_silent(node):
        state, reason = _waiting(node), f"silent for {SUSPECT_AFTER_S:g} s"
    silent = after_falling_silent(node, look.now)
    return told(replace(silent, state=state, reason=reason), look.now, node)


def _new_node(beat: NodeHeartbeat, now: Moment) -> Node:
    return Node(
        node_id=beat.node_id, state=NodeState.ACTIVE, boot_id=beat.boot_id, address=beat.address,
        log_port=beat.log_port, labels=dict(beat.labels), cpus=beat.cpus,
        memory_bytes=beat.memory_bytes, heard_at=now.monotonic, last_heartbeat=now.wall,
        since=now.wall, revision=1,
    )  # fmt: skip


def _waiting(node: Node) -> NodeState:
    return node.state if node.state is NodeState.DRAINING else NodeState.SUSPECT


def _state_when_heard(
    node: Node, beat: NodeHeartbeat, now: Moment
) -> tuple[NodeState, str | None]:
    """A machine that is heard is what its operator wants; an ill one gets nothing new."""
    held = _docker_words(beat) or why_held(node, now)
    match node.wish:
        case Wish.REMOVED:
            return NodeState.REMOVED, node.reason
        case Wish.DRAINING:
            return NodeState.DRAINING, held
        case _:
            return NodeState.ACTIVE if held is None else NodeState.SUSPECT, held


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
    waiting = _waiting(node)
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
