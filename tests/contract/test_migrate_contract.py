"""Migrations and users, on MySQL and on MariaDB."""

import shutil
import sys
import threading
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from common.config import MySqlConfig
from common.db import DatabaseUnavailableError, StatementRefusedError
from common.db.connection import close_quietly, connect
from common.db.migrate import MigrationChangedError, ensure_user, migrate
from common.db.mysql import MySqlDatabase
from common.db.queries import parse_queries
from common.errors import ConfigError
from common.secret import Secret

NAMES = ["0001_make_things.sql", "0002_add_one.sql"]
READ = parse_queries("-- name: things\nSELECT id FROM things;\n"
                     "-- name: add\nINSERT INTO things (id) VALUES (%(id)s)")


@pytest.fixture(params=["mysql_server", "mariadb_server"])
def admin(request):
    server = request.getfixturevalue(request.param)
    return MySqlConfig(server.host, server.port, server.user, Secret(server.password))


@pytest.fixture
def name(admin):
    made = f"t_{uuid.uuid4().hex[:20]}"
    yield made
    connection = connect(admin)
    connection.cursor().execute(f"DROP DATABASE IF EXISTS {made}")
    close_quietly(connection)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package `migrating` that a test may change."""
    own = f"migrating_{uuid.uuid4().hex}"
    shutil.copytree(Path(__file__).parent / "migrating", tmp_path / own)
    monkeypatch.syspath_prepend(tmp_path)
    yield own, tmp_path / own / "migrations"
    sys.modules.pop(own, None)


def test_migrations_are_applied_once_and_in_order(admin, name):
    assert migrate(admin, name, "tests.contract.migrating") == NAMES
    assert migrate(admin, name, "tests.contract.migrating") == []
    with MySqlDatabase(replace(admin, database=name), READ).transaction() as transaction:
        assert transaction.all("things") == [{"id": 1}]


def test_a_later_migration_is_added(admin, name, package):
    own, folder = package
    migrate(admin, name, own)
    (folder / "0003_more.sql").write_text("CREATE TABLE IF NOT EXISTS more (id INT);\n")
    assert migrate(admin, name, own) == ["0003_more.sql"]


def test_an_edited_migration_is_refused_by_name(admin, name, package):
    own, folder = package
    migrate(admin, name, own)
    (folder / NAMES[1]).write_text("SELECT 1;\n")
    with pytest.raises(MigrationChangedError, match=NAMES[1]):
        migrate(admin, name, own)


def test_a_failing_migration_is_named_and_goes_on_when_repaired(admin, name, package):
    own, folder = package
    bad = folder / "0003_bad.sql"
    bad.write_text("CREATE TABLE IF NOT EXISTS fine (id INT);\nCREATE TABL x (id INT);\n")
    with pytest.raises(StatementRefusedError, match=r"0003_bad\.sql"):
        migrate(admin, name, own)
    bad.write_text(bad.read_text().replace("TABL ", "TABLE IF NOT EXISTS "))
    assert migrate(admin, name, own) == ["0003_bad.sql"]


def test_a_migration_broken_off_after_an_index_and_a_column_goes_on(admin, name, package):
    own, folder = package
    migrate(admin, name, own)
    steps = ["CREATE INDEX by_id ON things (id)", "ALTER TABLE things ADD COLUMN word TEXT NULL"]
    connection = connect(replace(admin, database=name))
    for step in steps:
        connection.cursor().execute(step)
    close_quietly(connection)
    (folder / "0003_index.sql").write_text(";\n".join([*steps, "CREATE INDEX again ON things (id)", ""]))
    assert migrate(admin, name, own) == ["0003_index.sql"]
    assert migrate(admin, name, own) == []


def test_a_migration_broken_off_after_a_dropped_index_goes_on(admin, name, package):
    own, folder = package
    migrate(admin, name, own)
    steps = ["CREATE INDEX by_id ON things (id)", "DROP INDEX by_id ON things"]
    connection = connect(replace(admin, database=name))
    for step in steps:
        connection.cursor().execute(step)
    close_quietly(connection)
    (folder / "0003_index.sql").write_text(f"{steps[1]};\n")
    assert migrate(admin, name, own) == ["0003_index.sql"]


def test_one_notice_for_each_channel(admin, name):
    assert "0003_named_channels.sql" in migrate(admin, name, "application_manager")
    connection = connect(replace(admin, database=name))
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT index_name, GROUP_CONCAT(column_name ORDER BY seq_in_index) "
                       "FROM information_schema.statistics WHERE table_schema = %s "
                       "AND table_name = 'notices' AND non_unique = 0 "
                       "AND index_name <> 'PRIMARY' GROUP BY index_name", (name,))
        keys = cursor.fetchall()
        cursor.execute("DELETE FROM schema_migrations WHERE name = '0003_named_channels.sql'")
        connection.commit()
    assert [tuple(key) for key in keys] == [("by_event_source", "event_id,kind,channel,source")]
    assert migrate(admin, name, "application_manager") == ["0003_named_channels.sql"], "run again"


def test_pauses_of_before_are_taken_over_once(admin, name):
    migrate(admin, name, "application_manager")
    connection = connect(replace(admin, database=name))
    with closing(connection), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit (at, actor, action, target) "
            "VALUES (UTC_TIMESTAMP(6) - INTERVAL %s HOUR, 'me', %s, 'a')",
            [(30, "instance.pause"), (2, "instance.resume"), (2, "instance.changed"),
             (1, "instance.pause")])
        connection.commit()
        for _ in range(2):
            cursor.execute("DELETE FROM schema_migrations WHERE name = '0004_pauses.sql'")
            connection.commit()
            assert migrate(admin, name, "application_manager") == ["0004_pauses.sql"]
        cursor.execute("SELECT instance_id, is_paused FROM pauses ORDER BY change_id")
        assert [tuple(row) for row in cursor.fetchall()] == [("a", 0), ("a", 1)]


def test_concurrent_callers_wait_for_each_other(admin, name):
    applied = []
    threads = [
        threading.Thread(
            target=lambda: applied.append(migrate(admin, name, "tests.contract.migrating")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [[], [], [], NAMES]


def test_odd_names_are_refused(admin, package):
    own, folder = package
    with pytest.raises(ConfigError):
        migrate(admin, "a`b", own)
    (folder / "x.sql").write_text("SELECT 1;")
    with pytest.raises(ConfigError, match=r"x\.sql"):
        migrate(admin, "fine", own)
    with pytest.raises(ConfigError):
        ensure_user(admin, "u", Secret("p"), ["ALL ON *.*; DROP DATABASE x"])


def test_a_user_has_exactly_its_grants(admin, name):
    migrate(admin, name, "tests.contract.migrating")
    user = f"u_{uuid.uuid4().hex[:10]}"
    own = MySqlConfig(admin.host, admin.port, user, Secret("p'%s\\"), name)

    def try_to(query, **parameters):
        with MySqlDatabase(own, READ).transaction() as transaction:
            return transaction.all(query) if not parameters else transaction.execute(
                query, **parameters)

    ensure_user(admin, user, own.password, [f"SELECT, INSERT ON {name}.*", "SELECT ON later.*"])
    assert try_to("things") == [{"id": 1}]
    assert try_to("add", id=2) == 1
    ensure_user(admin, user, own.password, [f"SELECT ON {name}.*"])
    assert len(try_to("things")) == 2
    with pytest.raises(DatabaseUnavailableError, match="denied"):
        try_to("add", id=3)
    ensure_user(admin, user, Secret("changed"), [f"SELECT ON {name}.*"])
    with pytest.raises(DatabaseUnavailableError):
        try_to("things")
    ensure_user(admin, user, own.password, [])
    with pytest.raises(DatabaseUnavailableError):
        try_to("things")
