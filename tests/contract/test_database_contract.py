"""What the database door promises (common/db): in memory, on MySQL and on MariaDB.

What only a server can do (locks on single rows, a statement that hangs) is tried on servers only.
"""

import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest

from common.clock import SystemClock
from common.config import MySqlConfig
from common.db import (
    DatabaseUnavailableError,
    DeadlockError,
    DuplicateKeyError,
    StatementRefusedError,
)
from common.db.clock import DisciplinedClock, database_now
from common.db.connection import close_quietly, connect
from common.db.memory import MemoryDatabase, MemoryServer
from common.db.mysql import MySqlDatabase
from common.db.queries import parse_queries
from common.secret import Secret

QUERIES = parse_queries("""
-- name: database_now
SELECT UTC_TIMESTAMP(6) AS now;

-- name: make
CREATE TABLE things (id INT PRIMARY KEY, name VARCHAR(20) NULL, at DATETIME(6) NULL,
    body JSON NULL, flag BOOL NULL, number DOUBLE NULL, UNIQUE KEY names (name));

-- name: insert
INSERT INTO things (id, name) VALUES (%(id)s, %(name)s);

-- name: insert_full
INSERT INTO things (id, name, at, body, flag, number)
VALUES (%(id)s, CONCAT(%(name)s, ''), %(at)s, %(body)s, %(flag)s, %(number)s)
ON DUPLICATE KEY UPDATE number = number + 1;

-- name: insert_plain
INSERT INTO things (id, name, at) VALUES (%(id)s, %(name)s, %(at)s);

-- name: rename
UPDATE things SET name = %(name)s WHERE id = %(id)s;

-- name: some
SELECT * FROM things WHERE id IN %(ids)s ORDER BY id;

-- name: like
SELECT id FROM things WHERE name LIKE 'a%';

-- name: count
SELECT COUNT(*) AS n FROM things;

-- name: settings
SELECT @@time_zone AS zone, @@collation_connection AS collation, @@autocommit AS auto;

-- name: nap
SELECT SLEEP(%(seconds)s) AS slept;

-- name: lock
SELECT id FROM things WHERE id = %(id)s FOR UPDATE;

-- name: lock_now
SELECT id FROM things WHERE id = %(id)s FOR UPDATE NOWAIT;

-- name: connection
SELECT CONNECTION_ID() AS id;

-- name: kill
KILL %(id)s;

-- name: wrong
SELEC 1;
""")


class Colour(StrEnum):
    RED = "red"


@pytest.fixture(params=["mysql_server", "mariadb_server"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def config(server):
    with scratch(server) as made:
        yield made


@contextmanager
def scratch(server):
    """A database of its own on a server."""
    admin = MySqlConfig(server.host, server.port, server.user, Secret(server.password))
    name = f"t_{uuid.uuid4().hex}"
    administrate(admin, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    yield replace(admin, database=name)
    administrate(admin, f"DROP DATABASE {name}")


def administrate(admin, statement):
    connection = connect(admin)
    connection.cursor().execute(statement)
    close_quietly(connection)


@pytest.fixture(params=["memory_database", "mysql_server", "mariadb_server"])
def database(request):
    if request.param == "memory_database":
        yield request.getfixturevalue(request.param)
        return
    with scratch(request.getfixturevalue(request.param)) as config:
        yield from open_database(config)


@pytest.fixture
def memory_database():
    server = MemoryServer(SystemClock(), lock_wait_s=0.2)
    server.create_database("contract")
    made = MemoryDatabase(server, "contract", QUERIES)
    with made.transaction() as transaction:
        transaction.execute("make")
    yield made
    made.close()
    server.close()


@pytest.fixture
def real(config):
    yield from open_database(config)


def open_database(config):
    made = MySqlDatabase(config, QUERIES)
    with made.transaction() as transaction:
        transaction.execute("make")
    yield made
    made.close()


def insert(database, number, name="n"):
    with database.transaction() as transaction:
        return transaction.execute("insert", id=number, name=name)


def count(database):
    with database.transaction() as transaction:
        return transaction.one("count")["n"]


def test_the_session_is_utc_binary_and_explicit(real):
    with real.transaction() as transaction:
        assert transaction.one("settings") == {
            "zone": "+00:00", "collation": "utf8mb4_bin", "auto": 0}


def test_values_come_back_as_they_went(database):
    at = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    row = {"id": 1, "name": "ключ %(x)s '\"\\", "at": at, "body": '{"a": [1, "ü"]}',
           "flag": True, "number": 0.1}
    with database.transaction() as transaction:
        transaction.execute("insert_full", **row)
        [read] = transaction.all("some", ids=[1])
    assert read["at"] == at
    assert read["at"].tzinfo is UTC
    assert isinstance(read["body"], str)
    assert read["body"].replace(" ", "") == '{"a":[1,"ü"]}'
    assert (read["name"], read["flag"], read["number"]) == (row["name"], 1, 0.1)


def test_nothing_and_enums_are_values_too(database):
    with database.transaction() as transaction:
        transaction.execute("insert", id=1, name=Colour.RED)
        transaction.execute("insert", id=2, name=None)
        assert [row["name"] for row in transaction.all("some", ids=(1, 2))] == ["red", None]


def test_a_naive_datetime_is_refused(database):
    with pytest.raises(TypeError, match="without zone"), database.transaction() as transaction:
        transaction.execute("rename", id=1, name=datetime(2026, 1, 1))


def test_a_list_expands_and_an_empty_one_finds_nothing(database):
    insert(database, 1, "a")
    insert(database, 2, "b")
    with database.transaction() as transaction:
        assert [row["id"] for row in transaction.all("some", ids=[2, 1, 7])] == [1, 2]
        assert transaction.all("some", ids=[]) == []
        assert [row["id"] for row in transaction.all("like")] == [1]
        assert transaction.one("some", ids=[]) is None


def test_execute_counts_matched_rows_even_if_nothing_changed(database):
    insert(database, 1, "same")
    with database.transaction() as transaction:
        assert transaction.execute("rename", id=1, name="same") == 1
        assert transaction.execute("rename", id=2, name="same") == 0


def test_many_rows_go_as_few_statements(database):
    rows = [{"id": n, "name": f"it's %s ({n})", "at": None, "body": None, "flag": n % 2 == 0,
             "number": n / 3} for n in range(2500)]
    with database.transaction() as transaction:
        assert transaction.execute_many("insert_full", rows) == 2500
        assert transaction.execute_many("insert_full", []) == 0
        transaction.execute_many("insert_full", rows[:1])
        assert transaction.one("some", ids=[0])["number"] == 1
        assert transaction.one("some", ids=[2499])["name"] == "it's %s (2499)"


def test_any_text_comes_back_from_many_rows_as_it_went(database):
    texts = ["", "plain", "it's", "' OR 1=1 -- ", "\\", "\\'", "a\\", '"', "%s %b %%", "\n\r\t\x1a",
             "ключ", "💥", "¿\\¥", "`; --", "\N{MODIFIER LETTER APOSTROPHE}", None, Colour.RED]
    rows = [{"id": n, "name": text, "at": None} for n, text in enumerate(texts)]
    with database.transaction() as transaction:
        transaction.execute_many("insert_plain", rows)
        read = transaction.all("some", ids=list(range(len(rows))))
    assert [row["name"] for row in read] == texts


@pytest.mark.parametrize(("spoiled", "error"), [
    ({"name": "it is 7"}, DuplicateKeyError), ({"at": datetime(2026, 1, 1)}, TypeError),
])
def test_many_rows_are_none_where_one_of_them_is_refused(database, spoiled, error):
    rows = [{"id": n, "name": f"it is {n}", "at": None} for n in range(2500)]
    rows[1200] |= spoiled  # others are on their way by then
    def insert_all():
        with database.transaction() as transaction:
            transaction.execute_many("insert_plain", rows)

    with pytest.raises(error):
        insert_all()
    assert count(database) == 0
    insert(database, 1, "still good")
    assert count(database) == 1


def test_a_block_commits_and_an_exception_rolls_back(database):
    insert(database, 1, "kept")
    def broken_off():
        with database.transaction() as transaction:
            transaction.execute("insert", id=2, name="lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    assert count(database) == 1


def test_others_see_only_what_is_committed(database):
    with database.transaction() as first:
        first.execute("insert", id=1, name="x")
        assert count(database) == 0
    assert count(database) == 1


def test_a_duplicate_key_is_told_and_the_connection_stays_good(database):
    insert(database, 1, "a")
    with pytest.raises(DuplicateKeyError):
        insert(database, 1, "b")
    with pytest.raises(DuplicateKeyError):
        insert(database, 2, "a")
    assert count(database) == 1


def test_a_refused_statement_is_permanent(database):
    with pytest.raises(StatementRefusedError), database.transaction() as transaction:
        transaction.all("wrong")
    with pytest.raises(StatementRefusedError):
        insert(database, 3, "x" * 21)
    assert count(database) == 0


def test_a_deadlock_is_told_to_one_of_the_two(real):
    insert(real, 1, "a")
    insert(real, 2, "b")
    both_hold, outcomes = threading.Barrier(2), []

    def cross(first, second):
        try:
            with real.transaction() as transaction:
                transaction.one("lock", id=first)
                both_hold.wait(10)
                transaction.one("lock", id=second)
            outcomes.append("done")
        except DeadlockError:
            outcomes.append("deadlock")

    threads = [threading.Thread(target=cross, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["deadlock", "done"]


def test_a_lock_that_is_taken_is_a_deadlock_error(database):
    insert(database, 1)
    with database.transaction() as holder:
        holder.one("lock", id=1)
        with pytest.raises(DeadlockError), database.transaction() as other:
            other.one("lock_now", id=1)
        began = time.monotonic()
        with pytest.raises(DeadlockError), database.transaction() as other:
            other.one("lock", id=1)
        assert time.monotonic() - began < 8


def test_a_statement_that_takes_too_long_is_unavailability(real):
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError), real.transaction() as transaction:
        transaction.all("nap", seconds=30)
    assert time.monotonic() - began < 11
    assert count(real) == 0


def test_a_killed_connection_is_replaced(real):
    def killed_in_the_middle():
        with real.transaction() as transaction:
            own = transaction.one("connection")["id"]
            with real.transaction() as other:
                other.execute("kill", id=own)
            transaction.one("count")

    with pytest.raises(DatabaseUnavailableError):
        killed_in_the_middle()
    assert count(real) == 0


def test_the_pool_holds_no_more_than_its_size(config, monkeypatch):
    monkeypatch.setattr("common.db.mysql.POOL_WAIT_S", 0.2)
    database = MySqlDatabase(config, QUERIES, pool_size=1)
    with (database.transaction(), pytest.raises(DatabaseUnavailableError, match="no free"),
          database.transaction()):
        pass
    ids = set()
    for _ in range(3):
        with database.transaction() as transaction:
            ids.add(transaction.one("connection")["id"])
    assert len(ids) == 1
    database.close()


def test_what_is_not_set_up_yet_is_unavailability(config, real):
    for other in (replace(config, database="nowhere"), replace(config, password=Secret("wrong")),
                  replace(config, port=1)):
        with pytest.raises(DatabaseUnavailableError):
            MySqlDatabase(other, QUERIES).ping()
    missing = parse_queries("-- name: q\nSELECT * FROM not_migrated_yet")
    with pytest.raises(DatabaseUnavailableError), MySqlDatabase(config, missing).transaction() as t:
        t.all("q")


def test_the_databases_clock_can_be_followed(database):
    clock = DisciplinedClock(SystemClock(), lambda: database_now(database))
    assert not clock.is_trusted()
    clock.sync()
    assert clock.is_trusted()
    assert abs((clock.now() - database_now(database)).total_seconds()) < 0.5


def test_a_restart_is_survived_without_another_failure(server, config, real):
    insert(real, 1)
    server.restart()
    deadline = time.monotonic() + 20
    while True:
        try:
            assert count(real) == 1
            break
        except DatabaseUnavailableError:
            assert time.monotonic() < deadline
    assert count(real) == 1


def test_a_frozen_server_fails_calls_within_eleven_seconds(server, real):
    insert(real, 1)
    server.pause()
    try:
        for _ in range(2):  # on the pooled connection, and on a new one
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailableError):
                count(real)
            assert time.monotonic() - began < 11
    finally:
        server.unpause()
    assert count(real) == 1
