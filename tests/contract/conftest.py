"""Servers and engines that the contract suites share."""

from tests.support.engines import door, engine, owner
from tests.support.fixtures import kafka_server, mariadb_server, mysql_server

__all__ = ["door", "engine", "kafka_server", "mariadb_server", "mysql_server", "owner"]
