"""The database door's twin in memory: SQLite that speaks our part of MySQL.

It keeps the promises of `common.db.Database` with coarser locks: who writes or reads FOR UPDATE
holds all databases of its server until its transaction ends; the others read what is committed.
The clock is injected, and a hook sees every call before it happens and may raise: the simulator's
way to lose a connection, to break a transaction off, or to crash its caller.

Not kept: `SUM` comes back as an int, and a row that ON DUPLICATE KEY UPDATE changes counts once.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.clock import Clock
from common.db import (
    DatabaseUnavailableError,
    DeadlockError,
    DuplicateKeyError,
    Row,
    StatementRefusedError,
)
from common.db.dialect import Translated, translate
from common.db.dialect_functions import install
from common.db.memory_values import expanded, row_of
from common.db.queries import Queries
from common.errors import RotaError

LOCK_WAIT_S = 5.0
_TMPFS = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


@dataclass(frozen=True)
class DatabaseCall:
    """What is about to happen on the door; what a hook that raises does depends on the step.

    - ``begin``, ``statement``: the transaction is rolled back;
    - ``commit``: the same, at the last moment;
    - ``committed``: the caller is told of a failure, but the commit is done (unknown outcome).
    """

    step: str
    database: str
    query: str = ""


Hook = Callable[[DatabaseCall], None]


class MemoryServer:
    """Some databases of one server. Shared between threads and between `MemoryDatabase`s."""

    def __init__(self, clock: Clock, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self.clock = clock
        self.hook: Hook = lambda _call: None
        self.lock_wait_s = lock_wait_s
        self.connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._writing = threading.Lock()
        self._databases: list[str] = []
        self._folder = Path(tempfile.mkdtemp("", "rota-", _TMPFS if _TMPFS.is_dir() else None))
        self._remover = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def create_database(self, database: str) -> None:
        """Make an empty database; nothing happens if it is there."""
        if database not in self._databases:
            self._databases.append(database)

    def migrate(self, database: str, package: str) -> None:
        """Make the database and apply all migrations of a package; run it once."""
        from common.db.migrate import load_migrations

        self.create_database(database)
        connection = _Connection(self, database)
        for migration in load_migrations(package):
            for statement in migration.statements():
                connection.run(translate(statement, database), {})
        connection.commit()
        connection.close()

    def close(self) -> None:
        """Forget everything; doors that are still open lead nowhere."""
        for connection in list(self.connections):
            connection.close()
        self._remover()

    def missing(self, own: str, attached: Collection[str]) -> list[tuple[str, Path]]:
        """All other databases and their files; `own` first: names are looked up there first."""
        if own not in self._databases:
            raise DatabaseUnavailableError(f"there is no database {own}")
        if len(attached) == len(self._databases):
            return []
        names = [own, *(name for name in self._databases if name != own)]
        return [(name, self._folder / f"{name}.sqlite") for name in names if name not in attached]

    @property
    def is_locked(self) -> bool:
        """Whether a transaction that writes or locks is open."""
        return self._writing.locked()

    def take_lock(self, *, is_nowait: bool) -> None:
        timeout_s = 0.0 if is_nowait else self.lock_wait_s
        if not self._writing.acquire(timeout=timeout_s):
            raise DeadlockError(f"another transaction held its lock for {timeout_s} s")

    def give_lock_back(self) -> None:
        self._writing.release()


class MemoryTransaction:
    """One open transaction. Owned by one thread."""

    def __init__(
        self, connection: _Connection, queries: Queries, tell: Callable[[str, str], None]
    ) -> None:
        self._connection = connection
        self._queries = queries
        self._tell = tell

    def execute(self, query: str, /, **parameters: Any) -> int:
        return self._run(query, parameters).rowcount

    def execute_many(self, query: str, rows: Sequence[Mapping[str, Any]]) -> int:
        self._queries[query].split_values()  # refuses what the real door refuses
        with self._connection.whole_statement():
            return sum(self._run(query, row).rowcount for row in rows)

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        cursor = self._run(query, parameters)
        names = [column[0] for column in cursor.description]
        return [row_of(names, values) for values in cursor.fetchall()]

    def one(self, query: str, /, **parameters: Any) -> Row | None:
        rows = self.all(query, **parameters)
        return rows[0] if rows else None

    def _run(self, query: str, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
        statement = self._queries[query]
        self._tell("statement", query)
        text, values = expanded(statement, parameters)
        return self._connection.run_text(text, values)


class MemoryDatabase:
    """A door to one database of a `MemoryServer`. Shared between threads.

    `hook` sees the calls of this door, the server's those of all.
    """

    def __init__(self, server: MemoryServer, database: str, queries: Queries) -> None:
        self.hook: Hook = lambda _call: None
        self._server = server
        self._database = database
        self._queries = queries
        self._idle: list[_Connection] = []

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """Give a transaction on a connection of its own; see `common.db.Database`."""
        self._tell("begin")
        connection = self._idle.pop() if self._idle else _Connection(self._server, self._database)
        try:
            yield MemoryTransaction(connection, self._queries, self._tell)
            self._tell("commit")
            connection.commit()
        finally:
            connection.rollback()
            self._idle.append(connection)
        self._tell("committed")

    def ping(self) -> None:
        """Ask for an answer."""
        with self.transaction() as transaction:
            transaction.one("database_now")

    def close(self) -> None:
        """Close idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _tell(self, step: str, query: str = "") -> None:
        call = DatabaseCall(step, self._database, query)
        self._server.hook(call)
        self.hook(call)


class _Connection:
    """One SQLite connection; it reads what is committed until it first takes the lock."""

    def __init__(self, server: MemoryServer, database: str) -> None:
        self._server = server
        self._database = database
        self._attached: set[str] = set()
        self._has_lock = False
        self._sqlite = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._sqlite.execute("PRAGMA case_sensitive_like = ON")
        self._sqlite.execute("PRAGMA foreign_keys = ON")
        install(self._sqlite, server.clock.now)
        server.connections.add(self)
        # SQLite's own object is part of a cycle: without this its files stay open for long
        self._closer = weakref.finalize(self, self._sqlite.close)

    def run_text(self, text: str, values: Mapping[str, Any]) -> sqlite3.Cursor:
        return self.run(translate(text, self._database), values)

    def run(self, translated: Translated, values: Mapping[str, Any]) -> sqlite3.Cursor:
        self._attach()
        if translated.takes_lock:
            self.lock(is_nowait=translated.is_nowait)
        with _errors_translated():
            for statement in translated.statements[:-1]:
                self._sqlite.execute(statement)
            return self._sqlite.execute(translated.statements[-1], values)

    def lock(self, *, is_nowait: bool = False) -> None:
        """Hold the server's lock until the transaction ends."""
        self._attach()
        if not self._has_lock:
            self._server.take_lock(is_nowait=is_nowait)
            self._has_lock = True
            self._sqlite.execute("BEGIN")

    @contextmanager
    def whole_statement(self) -> Iterator[None]:
        """Undo all rows of a statement when one is refused, and nothing before it."""
        self.lock()
        self._sqlite.execute("SAVEPOINT statement")
        try:
            yield
        except RotaError:
            if self._has_lock:
                self._sqlite.execute("ROLLBACK TO statement")
            raise
        self._sqlite.execute("RELEASE statement")

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def close(self) -> None:
        self.rollback()
        self._closer()

    def _end(self, how: str) -> None:
        if self._has_lock:
            self._sqlite.execute(how)
            self._has_lock = False
            self._server.give_lock_back()

    def _attach(self) -> None:
        if self._has_lock:
            return  # SQLite attaches nothing within a transaction
        for name, file in self._server.missing(self._database, self._attached):
            self._sqlite.execute(f"ATTACH DATABASE '{file}' AS {name}")
            self._sqlite.execute(f"PRAGMA {name}.journal_mode = WAL")
            self._sqlite.execute(f"PRAGMA {name}.synchronous = OFF")
            self._attached.add(name)


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        if "UNIQUE" in str(error):
            raise DuplicateKeyError(str(error)) from error
        raise StatementRefusedError(str(error)) from error
    except sqlite3.Error as error:
        if "no such table" in str(error):
            raise DatabaseUnavailableError(str(error)) from error
        raise StatementRefusedError(str(error)) from error
