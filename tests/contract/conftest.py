"""Servers that the contract suites share."""

from tests.support.fixtures import kafka_server, mariadb_server, mysql_server

__all__ = ["kafka_server", "mariadb_server", "mysql_server"]
