"""Servers that the integration tests share, and schedulers as processes on them."""

from tests.support.fixtures import kafka_server, mariadb_server, mysql_server
from tests.support.scheduler_process import platform

__all__ = ["kafka_server", "mariadb_server", "mysql_server", "platform"]
