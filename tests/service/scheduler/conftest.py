"""The scheduler on memory doors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from common.clock import ManualClock
from common.db.memory import MemoryDatabase, MemoryServer
from common.db.queries import load_queries
from tests.support.scheduler_world import APP_QUERIES, NOON, World, new_world


@pytest.fixture(scope="session")
def server() -> Iterator[MemoryServer]:
    server = MemoryServer(ManualClock(NOON))
    server.migrate("rota_scheduler", "scheduler")
    server.create_database("rota_app")
    app = MemoryDatabase(server, "rota_app", APP_QUERIES)
    with app.transaction() as transaction:
        for query in ("make_instances", "make_versions", "make_pauses", "make_requests"):
            transaction.execute(query)
    yield server
    server.close()


@pytest.fixture
def world(server: MemoryServer) -> World:
    ours = MemoryDatabase(server, "rota_scheduler", load_queries("scheduler"))
    admin = MemoryDatabase(server, "rota_scheduler", APP_QUERIES)
    world = new_world(ours, admin)
    server.clock = world.clock
    return world
