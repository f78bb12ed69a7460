"""One connection to MySQL or MariaDB, and what its errors mean. The only file that names mysql.

Pooling and transactions are in `common.db.mysql`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mysql.connector
from mysql.connector import errors as driver
from mysql.connector.constants import ClientFlag

from common.config import MySqlConfig
from common.db import (
    DatabaseUnavailableError,
    DeadlockError,
    DuplicateKeyError,
    GoneAlreadyError,
    StatementRefusedError,
    ThereAlreadyError,
)
from common.errors import ConfigError, RotaError
from common.logs import logger

Connection = Any
"""The driver ships no types; only `common.db` touches one."""

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 10
LOCK_WAIT_S = 5  # less than the statement's, so that a lock wait is told as such
SILENT_S = 10  # a process frozen inside a transaction keeps its locks no longer than this
_SQL_MODE = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
)
_DUPLICATE = {1062, 1586}
_THERE_ALREADY = {1060, 1061}
_GONE_ALREADY = 1091
_DEADLOCK = {1205, 1213, 1020, 3572, 3101}
_UNAVAILABLE = {
    1040, 1053, 1077, 1079, 1129, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226,  # the server
    1317, 1836, 1290, 3024, 1927, 1969, 3169, 4031,  # it ended the statement or the connection
    2002, 2003, 2005, 2006, 2012, 2013, 2014, 2027, 2055,  # the way to it
}  # fmt: skip
_NOT_SET_UP_YET = {1044, 1045, 1049, 1142, 1143, 1146, 1227, 1698}
"""No such database, table, user or right: the initializer or a migration has not come by yet."""

try:  # where the driver calls its C extension without a net: commit, fetching rows
    from _mysql_connector import MySQLInterfaceError
except ImportError:  # `connect` says so
    _BARE: tuple[type[Exception], ...] = ()
else:
    _BARE = (MySQLInterfaceError,)

_log = logger("db")
_told: set[tuple[str, int]] = set()


def connect(config: MySqlConfig, *, statement_timeout_s: int = STATEMENT_TIMEOUT_S) -> Connection:
    """Open a connection: READ COMMITTED, UTC, utf8mb4_bin, no autocommit, matched rows count.

    Raises `DatabaseUnavailableError`, or `ConfigError` where the C extension cannot be loaded:
    the driver would go on with its slow pure Python twin.
    """
    if not mysql.connector.HAVE_CEXT:
        raise ConfigError("the C extension of mysql-connector-python does not load here")
    with translated(config.user):
        connection = mysql.connector.connect(
            **_arguments(config),
            read_timeout=statement_timeout_s,
            write_timeout=statement_timeout_s,
        )
    try:
        with translated(), connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}")
            cursor.execute(f"SET SESSION wait_timeout = {SILENT_S}")
    except RotaError:
        close_quietly(connection)
        raise
    return connection


def change(connection: Connection, statement: bytes) -> int:
    """Run a statement that returns no rows; return how many it changed.

    Past the driver's cursors, as in `run`: each of them asks the server first whether it is there,
    which doubles the way of every statement.
    """
    return int(connection.cmd_query(statement)["affected_rows"])


def run(
    connection: Connection, statement: bytes
) -> tuple[Sequence[str], Sequence[tuple[Any, ...]]]:
    """Run a statement that returns rows; return the columns' names, and the rows."""
    columns = connection.cmd_query(statement)["columns"]
    fetch_row = connection._cmysql.fetch_row  # noqa: SLF001 - the driver looks at every value again
    try:
        return [column[0] for column in columns], list(iter(fetch_row, None))
    finally:
        connection.free_result()


def close_quietly(connection: Connection) -> None:
    """Close; a connection that cannot even be closed is gone anyway."""
    try:
        connection.close()
    except Exception:  # noqa: BLE001 - nothing can be done about it, and nothing depends on it
        _log.debug("connection_not_closed")


@contextmanager
def translated(user: str = "") -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except (driver.Error, *_BARE) as error:
        raise _translate(error, user) from error


def _translate(error: Any, user: str) -> RotaError:
    number = error.errno or -1
    text = f"MySQL {number}: {error.msg or error}"
    if number in _DUPLICATE:
        return DuplicateKeyError(text)
    if number in _DEADLOCK:
        return DeadlockError(text)
    if number in _NOT_SET_UP_YET:
        _tell_once(user, number, text)
        return DatabaseUnavailableError(text)
    is_broken = isinstance(error, (driver.InterfaceError, driver.PoolError)) or number < 0
    if number in _UNAVAILABLE or is_broken:
        return DatabaseUnavailableError(text)
    if number == _GONE_ALREADY:
        return GoneAlreadyError(text)
    return ThereAlreadyError(text) if number in _THERE_ALREADY else StatementRefusedError(text)


def _tell_once(user: str, number: int, text: str) -> None:
    if (user, number) not in _told:
        _told.add((user, number))
        _log.warning("database_not_set_up_yet", error=text)


def _arguments(config: MySqlConfig) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "host": config.host,
        "port": config.port,
        "user": config.user,
        "password": config.password.reveal(),
        "use_pure": False,
        "charset": "utf8mb4",
        "collation": "utf8mb4_bin",
        "time_zone": "+00:00",
        "sql_mode": _SQL_MODE,
        "autocommit": False,
        "connection_timeout": CONNECT_TIMEOUT_S,
        "client_flags": [ClientFlag.FOUND_ROWS],
        "conn_attrs": {"program_name": f"rota:{os.getpid()}"},
    }
    if config.database:
        arguments["database"] = config.database
    if config.ca_file:
        arguments |= {"ssl_ca": config.ca_file, "ssl_verify_cert": True}
    return arguments
