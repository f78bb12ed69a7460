"""The lists that the event stream tells row by row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from application_manager.feed import Source
from application_manager.ledger import list_nodes
from application_manager.live import Loads, list_services
from common.clock import Clock
from common.db import Database
from common.heartbeat import HeartbeatMonitor


def sources_of(
    database: Database, loads: Loads, monitor: HeartbeatMonitor, clock: Clock
) -> Mapping[str, Source]:
    """Return nodes and services; that a service was heard again is no news."""
    return {
        "nodes": Source(partial(list_nodes, database, loads), "node"),
        "services": Source(
            lambda: list_services(monitor, clock.now()), "key", frozenset({"age_s"})
        ),
    }
