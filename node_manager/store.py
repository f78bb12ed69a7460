"""The registry of nodes in MySQL (`rota_nodes.nodes`), and what operators ask (`rota_app`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from common.db import Database, DatabaseUnavailableError, Row, StatementRefusedError
from common.logs import logger
from common.messages import HeldImage, NodeState
from node_manager.domain.node import DrainMode, Node, Wish

_DRAIN_MODES: dict[str, DrainMode] = {"": "wait", "wait": "wait", "move": "move", "force": "force"}
LONGEST_NAME = 255  # no schedule file can name a longer one
_log = logger("node_manager.store")


@dataclass(frozen=True)
class Request:
    """The latest thing an operator asked of one node."""

    request_id: int
    node_id: str
    wish: Wish
    drain: DrainMode | None = None


class NodeStore(Protocol):
    """Where nodes are remembered."""

    def load(self, heard_at: float) -> list[Node]:
        """Return all nodes, as if heard at the monotonic `heard_at`."""
        ...

    def save(self, nodes: Iterable[Node]) -> None:
        """Remember nodes, all or none."""
        ...

    def save_images(self, node_id: str, images: Sequence[HeldImage]) -> None:
        """Remember what one machine holds, instead of what it held."""
        ...

    def requests(self, after: int) -> list[Request]:
        """Return what was asked after this request, one a node: the latest."""
        ...


class MySqlNodeStore:
    """Nodes in MySQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_missing_told = False

    def load(self, heard_at: float) -> list[Node]:
        with self._database.transaction() as transaction:
            return [_node_of(row, heard_at) for row in transaction.all("all_nodes")]

    def save(self, nodes: Iterable[Node]) -> None:
        rows = [_row_of(node) for node in nodes]
        if rows:
            with self._database.transaction() as transaction:
                transaction.execute_many("save_nodes", rows)

    def save_images(self, node_id: str, images: Sequence[HeldImage]) -> None:
        rows = [
            {"node_id": node_id, "name": one.name, "image_id": one.id, "digest": one.digest}
            for one in images
            if len(one.name) <= LONGEST_NAME
        ]
        with self._database.transaction() as transaction:
            transaction.execute("forget_images", node_id=node_id)
            transaction.execute_many("save_images", rows)

    def requests(self, after: int) -> list[Request]:
        """Read the application manager's table; where it cannot be read, nobody asked anything.

        Its migrations and our grant may come after our start, and the next look is in a second.
        """
        try:
            with self._database.transaction() as transaction:
                rows = transaction.all("requests_after", after=after)
        except (StatementRefusedError, DatabaseUnavailableError) as error:
            if not self._is_missing_told:
                self._is_missing_told = True
                _log.warning("no_requests_can_be_read", error=str(error))
            return []
        self._is_missing_told = False
        return [found for row in rows if (found := request_of(row)) is not None]


def request_of(row: Row) -> Request | None:
    """Read one request; None, and a word in the log, for a wish that is not known here."""
    text, _, mode = str(row["wish"]).partition(":")
    try:
        wish = Wish(text)
        drain = _DRAIN_MODES[mode] if wish is Wish.DRAINING else None
    except (ValueError, KeyError):
        _log.error("unknown_wish", request_id=row["request_id"], wish=row["wish"])
        return None
    return Request(int(row["request_id"]), str(row["node_id"]), wish, drain)


def _row_of(node: Node) -> Row:
    return {
        "node_id": node.node_id,
        "state": node.state.value,
        "wish": node.wish.value,
        "drain": node.drain,
        "boot_id": node.boot_id,
        "former_boot_id": node.former_boot_id,
        "address": node.address,
        "log_port": node.log_port,
        "labels": msgspec.json.encode(node.labels).decode(),
        "cpus": node.cpus,
        "memory_bytes": node.memory_bytes,
        "last_heartbeat": node.last_heartbeat,
        "since": node.since,
        "revision": node.revision,
        "reason": node.reason,
    }


def _node_of(row: Row, heard_at: float) -> Node:
    return Node(
        node_id=row["node_id"],
        state=NodeState(row["state"]),
        wish=Wish(row["wish"]),
        drain=row["drain"],
        boot_id=row["boot_id"],
        former_boot_id=row["former_boot_id"],
        address=row["address"],
        log_port=row["log_port"],
        labels=msgspec.json.decode(row["labels"], type=dict[str, str]),
        cpus=row["cpus"],
        memory_bytes=row["memory_bytes"],
        heard_at=heard_at,
        last_heartbeat=row["last_heartbeat"],
        since=row["since"],
        revision=row["revision"],
        reason=row["reason"],
    )
