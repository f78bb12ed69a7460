"""Making a service's database: numbered migrations under a lock, and its user with exact grants.

``<package>/migrations/NNNN_name.sql`` holds statements that end with ``;`` at a line's end, one DDL
per statement, each safe to run again: MySQL commits DDL by itself, so a migration that broke
half-way is simply run again. CREATE TABLE says IF NOT EXISTS; MySQL has no such words for CREATE
INDEX, DROP INDEX and ADD COLUMN, so one that is there already counts as made, and one that is gone
as dropped. A file that was applied is never
edited.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from common.config import MySqlConfig
from common.db import (
    DatabaseUnavailableError,
    GoneAlreadyError,
    StatementRefusedError,
    ThereAlreadyError,
)
from common.db.connection import Connection, close_quietly, connect, translated
from common.db.queries import Queries, Statement, parse_queries
from common.errors import ConfigError, Permanent
from common.logs import logger
from common.secret import Secret

STATEMENT_TIMEOUT_S = 300
LOCK_WAIT_S = 60
_FILE_NAME = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")
_IDENTIFIER = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,62}$")
_GRANT = re.compile(r"^(?P<rights>[A-Z ,]+?)\s+ON\s+(?P<scope>[\w*]+\.[\w*]+)$", re.IGNORECASE)
_SHOWN_GRANT = re.compile(r"^GRANT (?P<rights>.+?) ON (?P<scope>\S+) TO ")

_log = logger("db.migrate")


class MigrationChangedError(Permanent):
    """A migration that was applied has been edited since."""


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self) -> list[str]:
        lines = [line for line in self.text.splitlines() if not line.lstrip().startswith("--")]
        pieces = re.split(r";[ \t]*$", "\n".join(lines), flags=re.MULTILINE)
        return [piece.strip() for piece in pieces if piece.strip()]


def migrate(admin: MySqlConfig, database: str, package: str) -> list[str]:
    """Create the database and apply what is missing of the package's migrations, in order.

    Returns the names applied now. Concurrent callers wait for each other. Raises
    `MigrationChangedError`, `StatementRefusedError` or `DatabaseUnavailableError`.
    """
    migrations = load_migrations(package)
    if not _IDENTIFIER.match(database):
        raise ConfigError(f"{database!r} cannot be a database's name")
    with _session(admin) as session, session.locked(f"rota-migrate-{database}"):
        session.run_text(
            f"CREATE DATABASE IF NOT EXISTS `{database}` "
            "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        )
        session.run_text(f"USE `{database}`")
        session.run("create_schema_migrations")
        applied = {row[0]: row[1] for row in session.run("list_migrations")}
        _refuse_edited(package, migrations, applied)
        missing = [migration for migration in migrations if migration.name not in applied]
        for migration in missing:
            _apply(session, package, migration)
    return [migration.name for migration in missing]


def load_migrations(package: str) -> list[Migration]:
    """Read a package's migrations in order; refuse a file whose name has no number."""
    folder = files(package).joinpath("migrations")
    if not folder.is_dir():
        raise ConfigError(f"{package} has no folder migrations")
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    for entry in found:
        if not _FILE_NAME.match(entry.name):
            raise ConfigError(f"{package}/migrations/{entry.name} is not named NNNN_name.sql")
    return sorted(
        (Migration(entry.name, entry.read_text(encoding="utf-8")) for entry in found),
        key=lambda migration: migration.name,
    )


def ensure_user(
    admin: MySqlConfig, user: str, password: Secret, grants: Sequence[str], *, host: str = "%"
) -> list[str]:
    """Create or update ``user@host`` so that it has this password and exactly these grants.

    A grant is ``SELECT, INSERT ON rota_app.*``, whose database need not exist yet, or ``SELECT ON
    rota_app.instances``; returns the tables named so that do not exist yet: their grants are left
    out. What is right already is not taken away for a moment, so running services notice nothing.
    """
    account = {"user": user, "host": host}
    wanted = dict(_parse_grant(grant) for grant in grants)
    with _session(admin) as session:
        session.run("create_user", **account, password=password.reveal())
        session.run("set_password", **account, password=password.reveal())
        absent = [scope for scope in wanted if not _exists(session, scope)]
        for scope, rights in wanted.items():
            if scope in absent:
                continue
            grant = f"GRANT {_listed(rights)} ON {scope} TO %(user)s@%(host)s"
            session.run_text(grant, **account)
        for row in session.run("show_grants", **account):
            scope, rights = _parse_shown_grant(row[0])
            surplus = rights - wanted.get(scope, set()) - {"USAGE"}
            if surplus:
                revoke = f"REVOKE {_listed(surplus)} ON {scope} FROM %(user)s@%(host)s"
                session.run_text(revoke, **account)
    return absent


def grants_of(admin: MySqlConfig) -> list[str]:
    """Return what the administrator itself may do, as `SHOW GRANTS` says it."""
    with _session(admin) as session:
        return [str(row[0]) for row in session.run("show_own_grants")]


class _Session:
    """One administrator's connection."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries

    def run(self, query: str, **parameters: Any) -> list[Any]:
        return self._run(self._queries[query], parameters)

    def run_text(self, text: str, **parameters: Any) -> list[Any]:
        return self._run(Statement("", text), parameters)

    def _run(self, statement: Statement, parameters: Mapping[str, Any]) -> list[Any]:
        rendered = statement.render(parameters, self._connection.prepare_for_mysql)
        with translated(), self._connection.cursor() as cursor:
            cursor.execute(rendered)
            rows = cursor.fetchall() if cursor.with_rows else []
            self._connection.commit()
            return list(rows)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        if self.run("get_lock", name=name, timeout_s=LOCK_WAIT_S)[0][0] != 1:
            raise DatabaseUnavailableError(f"someone else has held {name} for {LOCK_WAIT_S} s")
        try:
            yield
        finally:
            self.run("release_lock", name=name)


@contextmanager
def _session(admin: MySqlConfig) -> Iterator[_Session]:
    text = files("common.db").joinpath("migrate.sql").read_text(encoding="utf-8")
    config = replace(admin, database=None)
    connection = connect(config, statement_timeout_s=STATEMENT_TIMEOUT_S)
    try:
        yield _Session(connection, parse_queries(text))
    finally:
        close_quietly(connection)


def _refuse_edited(
    package: str, migrations: Sequence[Migration], applied: Mapping[str, str]
) -> None:
    for migration in migrations:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationChangedError(
                f"{package}/migrations/{migration.name} was applied and has been edited since: "
                "put it back and add a new migration"
            )


def _apply(session: _Session, package: str, migration: Migration) -> None:
    for statement in migration.statements():
        try:
            session.run_text(statement)
        except (ThereAlreadyError, GoneAlreadyError):  # done before this migration was broken off
            _log.info("migration_step_done_before", package=package, migration=migration.name)
        except StatementRefusedError as error:
            where = f"{package}/migrations/{migration.name}"
            raise StatementRefusedError(f"{where}: {error}") from error
    session.run("record_migration", name=migration.name, checksum=migration.checksum)
    _log.info("migration_applied", package=package, migration=migration.name)


def _exists(session: _Session, scope: str) -> bool:
    database, _, table = scope.partition(".")
    return table == "*" or bool(session.run("tables_named", database=database, table=table))


def _parse_grant(grant: str) -> tuple[str, set[str]]:
    found = _GRANT.match(grant.strip())
    if not found:
        raise ConfigError(f"{grant!r} is not of the form RIGHT, RIGHT ON database.table")
    return _normalised(found["scope"], found["rights"])


def _parse_shown_grant(line: str) -> tuple[str, set[str]]:
    found = _SHOWN_GRANT.match(line)
    if not found:
        return "", set()  # a role or a proxy: we never grant one
    return _normalised(found["scope"], found["rights"])


def _normalised(scope: str, rights: str) -> tuple[str, set[str]]:
    return scope.replace("`", ""), {right.strip().upper() for right in rights.split(",")}


def _listed(rights: set[str]) -> str:
    return ", ".join(sorted(rights))
