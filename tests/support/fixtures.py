"""The real servers as pytest fixtures, of each one for a module.

What one module leaves in them (tables, users, records) is nothing another has to know, in whatever
order and on whichever worker they run.
A test folder's conftest.py imports those it needs. Nothing here skips: what is absent is built.
"""

from collections.abc import Iterator

import pytest

from tests.support import servers


@pytest.fixture(scope="module")
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
