"""The real servers as pytest fixtures: Kafka for a whole session, a database server for each module.

What one module leaves in a database (its tables, its users) is nothing another has to know.
A test folder's conftest.py imports those it needs. Nothing here skips: what is absent is built.
"""

from collections.abc import Iterator

import pytest

from tests.support import servers


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[servers.KafkaServer]:
    with servers.kafka() as server:
        yield server


@pytest.fixture(scope="module")
def mysql_server() -> Iterator[servers.SqlServer]:
    with servers.mysql() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb_server() -> Iterator[servers.SqlServer]:
    with servers.mariadb() as server:
        yield server
