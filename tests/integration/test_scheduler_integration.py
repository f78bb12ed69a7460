"""The scheduler's service suite once more, on real MySQL 9.7 and MariaDB 10.11."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from common.config import MySqlConfig
from common.db.migrate import migrate
from common.db.mysql import MySqlDatabase
from common.db.queries import load_queries
from common.secret import Secret
from tests.service.scheduler.test_ahead import *  # noqa: F403 - the same promises on real servers
from tests.service.scheduler.test_firing import *  # noqa: F403 - the same promises on real servers
from tests.service.scheduler.test_following import *  # noqa: F403
from tests.service.scheduler.test_forgetting import *  # noqa: F403
from tests.service.scheduler.test_intake import *  # noqa: F403
from tests.service.scheduler.test_order import *  # noqa: F403
from tests.service.scheduler.test_requests import *  # noqa: F403
from tests.support.scheduler_world import APP_QUERIES, World, new_world


@pytest.fixture(scope="module", params=["mysql_server", "mariadb_server"])
def databases(request: pytest.FixtureRequest) -> Iterator[tuple[MySqlDatabase, MySqlDatabase]]:
    server = request.getfixturevalue(request.param)
    admin = MySqlConfig(server.host, server.port, server.user, Secret(server.password))
    migrate(admin, "rota_scheduler", "scheduler")
    root = MySqlDatabase(admin, APP_QUERIES)
    with root.transaction() as transaction:
        for query in ("make_database", "make_instances", "make_versions", "make_pauses", "make_requests"):
            transaction.execute(query)
    ours = MySqlDatabase(replace(admin, database="rota_scheduler"), load_queries("scheduler"))
    yield ours, root
    ours.close()
    root.close()


@pytest.fixture
def world(databases: tuple[MySqlDatabase, MySqlDatabase]) -> World:
    return new_world(*databases)
