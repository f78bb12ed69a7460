"""The registry of nodes in MySQL (`rota_nodes.nodes`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from common.db import Database, Row
from common.messages import NodeState
from node_manager.domain.membership import Node, Wish


class NodeStore(Protocol):
    """Where nodes are remembered."""

    def load(self, heard_at: float) -> list[Node]:
        """Return all nodes, as if heard at the monotonic `heard_at`."""
        ...

    def save(self, nodes: Iterable[Node]) -> None:
        """Remember nodes, all or none."""
        ...


class MySqlNodeStore:
    """Nodes in MySQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, heard_at: float) -> list[Node]:
        with self._database.transaction() as transaction:
            return [_node_of(row, heard_at) for row in transaction.all("all_nodes")]

    def save(self, nodes: Iterable[Node]) -> None:
        rows = [_row_of(node) for node in nodes]
        if rows:
            with self._database.transaction() as transaction:
                transaction.execute_many("save_nodes", rows)


def _row_of(node: Node) -> Row:
    return {
        "node_id": node.node_id,
        "state": node.state.value,
        "wish": node.wish.value,
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
