"""The door to MySQL: a small pool and transactions on mysql-connector-python's C extension.

The driver's own pool is not used: it reconnects under one module-wide lock and its `close` may
raise. How a connection is made and what its errors mean is in `common.db.connection`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from common.config import MySqlConfig
from common.db import DatabaseUnavailableError, Row
from common.db.connection import (
    Connection,
    change,
    close_quietly,
    connect,
    run,
    translated,
)
from common.db.queries import Queries, Statement

POOL_WAIT_S = 10.0
CHECK_AFTER_IDLE_S = 1.0
MANY_ROWS = 1000  # per statement: 1 M rows/s against 40 k rows/s one by one (architecture.md, 5)


class MySqlTransaction:
    """One open transaction. Owned by one thread."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries

    def execute(self, query: str, /, **parameters: Any) -> int:
        return self._changed(self._render(query, parameters))

    def execute_many(self, query: str, rows: Sequence[Mapping[str, Any]]) -> int:
        before, row, after = self._queries[query].split_values()
        escape = self._connection.prepare_for_mysql
        tail = Statement(query, after).render({}, escape)
        changed = 0
        for start in range(0, len(rows), MANY_ROWS):
            values = row.render_many(rows[start : start + MANY_ROWS], escape)
            changed += self._changed(before.encode() + values + tail)
        return changed

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        with translated():
            names, found = run(self._connection, self._render(query, parameters))
        return [_row(names, values) for values in found]

    def one(self, query: str, /, **parameters: Any) -> Row | None:
        rows = self.all(query, **parameters)
        return rows[0] if rows else None

    def _render(self, query: str, parameters: Mapping[str, Any]) -> bytes:
        return self._queries[query].render(parameters, self._connection.prepare_for_mysql)

    def _changed(self, statement: bytes) -> int:
        with translated():
            return change(self._connection, statement)


@dataclass
class _Idle:
    connection: Connection
    since: float


class MySqlDatabase:
    """A pool of at most `pool_size` connections, made on first use. Shared between threads."""

    def __init__(self, config: MySqlConfig, queries: Queries, pool_size: int = 4) -> None:
        self._config = config
        self._queries = queries
        self._idle: deque[_Idle] = deque()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(pool_size)
        self._is_closed = False

    @contextmanager
    def transaction(self) -> Iterator[MySqlTransaction]:
        """Give a transaction on a connection of its own; see `common.db.Database`."""
        with self._place():
            connection = self._take()
            is_sound = False
            try:
                yield MySqlTransaction(connection, self._queries)
                with translated():
                    connection.commit()
                is_sound = True
            except DatabaseUnavailableError:
                self._drop_idle()
                raise
            except Exception:
                is_sound = _rolled_back(connection)
                raise
            finally:
                self._give_back(connection, is_sound=is_sound)

    def ping(self) -> None:
        """Ask MySQL for an answer on a pooled connection."""
        with self.transaction() as transaction:
            transaction.one("database_now")

    def close(self) -> None:
        """Close idle connections; busy ones are closed when their transaction ends."""
        self._is_closed = True
        self._drop_idle()

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=POOL_WAIT_S):
            raise DatabaseUnavailableError(f"no free connection within {POOL_WAIT_S:.0f} s")
        try:
            yield
        finally:
            self._places.release()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                idle = self._idle.pop() if self._idle else None
            if idle is None:
                return connect(self._config)
            if time.monotonic() - idle.since < CHECK_AFTER_IDLE_S or _answers(idle.connection):
                return idle.connection
            close_quietly(idle.connection)
            self._drop_idle()  # the server was away: the others are dead too

    def _give_back(self, connection: Connection, *, is_sound: bool) -> None:
        if not is_sound or self._is_closed:
            close_quietly(connection)
            return
        with self._lock:
            self._idle.append(_Idle(connection, time.monotonic()))

    def _drop_idle(self) -> None:
        with self._lock:
            dropped = list(self._idle)
            self._idle.clear()
        for idle in dropped:
            close_quietly(idle.connection)


def _rolled_back(connection: Connection) -> bool:
    """Tell whether the connection is as good as new."""
    try:
        with translated():
            connection.rollback()
    except Exception:  # noqa: BLE001 - whatever it is, the connection is not used again
        return False
    return True


def _answers(connection: Connection) -> bool:
    try:
        connection.ping(reconnect=False)
    except Exception:  # noqa: BLE001 - whatever it is, the connection is not used again
        return False
    return True


def _row(names: Sequence[str], values: Sequence[Any]) -> Row:
    return {
        name: _aware(value) if type(value) in _TRANSLATED else value
        for name, value in zip(names, values, strict=True)
    }


_TRANSLATED = frozenset({datetime, bytearray, memoryview})
"""Asked of every value there is: a call for each would take longer than the reading itself."""


def _aware(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return value
