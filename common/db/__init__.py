"""One door to MySQL: a small pool, transactions, named queries, migrations.

Services see `Database` and `Transaction`. The drivers' errors become the leaves below. SQL stands
in each service's `queries.sql` only, and takes parameters only; it runs on MySQL 8.4+ and
MariaDB 10.11+.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from common.errors import Permanent, Retryable

Row = Mapping[str, Any]
"""One row by column name. DATETIME(6) columns come back aware, in UTC; JSON columns as text."""


class DatabaseUnavailableError(Retryable):
    """MySQL did not answer in time, or the connection broke; nothing is known of the last call."""


class DeadlockError(Retryable):
    """MySQL rolled the transaction back to end a deadlock or a lock wait; run it again."""


class DuplicateKeyError(Permanent):
    """A row with this unique key is there already."""


class StatementRefusedError(Permanent):
    """MySQL refused the statement itself: syntax, a value too long, a missing foreign row."""


class ThereAlreadyError(StatementRefusedError):
    """An index or a column of this name is there already; what a repeated migration meets."""


class GoneAlreadyError(StatementRefusedError):
    """An index or a column to be dropped is not there; what a repeated migration meets."""


class Transaction(Protocol):
    """One open transaction on one connection (READ COMMITTED). Owned by one thread.

    `query` is a name in the service's queries.sql. Parameters are named: ``%(name)s``; datetimes
    are aware, enums travel as their value. `DECIMAL` (and so `SUM` of integers) comes back as
    `Decimal`.
    """

    def execute(self, query: str, /, **parameters: Any) -> int:
        """Run a statement; return the number of rows it changed (matched rows count)."""
        ...

    def execute_many(self, query: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run one ``INSERT ... VALUES (...)`` for many rows as multi-row statements.

        The query holds exactly one VALUES tuple; what follows it (ON DUPLICATE KEY UPDATE ...)
        stays. Returns rows changed (MySQL counts a row that it updated twice); no rows is no
        statement.
        """
        ...

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        """Return every row. A list or tuple parameter expands to ``(a, b, c)`` for IN.

        An empty one expands to ``(NULL)``: IN finds nothing, and so does NOT IN.
        """
        ...

    def one(self, query: str, /, **parameters: Any) -> Row | None:
        """Return the first row, or None."""
        ...


class Database(Protocol):
    """A small pool of connections to one database as one user. Safe to share between threads."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction: commit at the end of the block, roll back on any exception.

        Raises `DatabaseUnavailableError` (connect 5 s, any statement 10 s), `DeadlockError`,
        `DuplicateKeyError`. After `DatabaseUnavailableError` from the commit the outcome is not
        known: re-read by unique key before writing again.
        """
        ...

    def ping(self) -> None:
        """Return if MySQL answers, raise `DatabaseUnavailableError` otherwise."""
        ...

    def close(self) -> None:
        """Close idle connections."""
        ...
