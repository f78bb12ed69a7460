"""The real servers as pytest fixtures, one of each for a whole session.

A test folder's conftest.py imports those it needs. Nothing here skips: what is absent is built.
"""

from collections.abc import Iterator

import pytest

from tests.support import servers


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[servers.KafkaServer]:
    with servers.kafka() as server:
        yield server


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[servers.SqlServer]:
    with servers.mysql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[servers.SqlServer]:
    with servers.mariadb() as server:
        yield server
