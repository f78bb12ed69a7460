"""A node as the node manager knows it, and the words about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from common.messages import NodeState

DrainMode = Literal["wait", "move", "force"]


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


@dataclass(frozen=True)
class Moment:
    """Now, on both clocks."""

    wall: datetime
    monotonic: float


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine as the node manager knows it.

    `heard_at` is monotonic seconds of the last heartbeat taken, `last_heartbeat` the same by wall
    clock for people. `revision` rises with every change that others are told of. The last three
    are not kept over a restart: how far its clock is off, lately; when it fell silent, lately; and
    until when it gets nothing though it is heard (monotonic).
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
    drain: DrainMode | None = None
    former_boot_id: str | None = None
    skews_s: tuple[float, ...] = ()
    silences: tuple[float, ...] = ()
    held_until: float = 0.0


def told(after: Node, now: Moment, before: Node) -> Node:
    """Raise the revision if anything changed that others are told of."""
    if _public(after) == _public(before):
        return before if _private(after) == _private(before) else after
    since = now.wall if after.state is not before.state else before.since
    return replace(after, revision=before.revision + 1, since=since)


def _public(node: Node) -> tuple[object, ...]:
    return (
        node.state, node.boot_id, node.address, node.log_port, dict(node.labels), node.cpus,
        node.memory_bytes, node.reason, node.wish, node.drain,
    )  # fmt: skip


def _private(node: Node) -> tuple[object, ...]:
    return node.heard_at, node.skews_s, node.silences, node.held_until
