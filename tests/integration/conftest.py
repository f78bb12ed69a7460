"""Servers that the integration tests share."""

from tests.support.fixtures import kafka_server, mariadb_server, mysql_server

__all__ = ["kafka_server", "mariadb_server", "mysql_server"]
