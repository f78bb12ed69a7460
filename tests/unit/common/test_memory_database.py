"""The database door's twin: every query of every service runs on it."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from common.clock import ManualClock
from common.db import DatabaseUnavailableError, DeadlockError, StatementRefusedError
from common.db.memory import MemoryDatabase, MemoryServer
from common.db.queries import load_queries, parse_queries

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SERVICES = {
    "rota_scheduler": "scheduler",
    "rota_deployer": "deployment_manager",
    "rota_nodes": "node_manager",
    "rota_app": "application_manager",
}
# A table of the tests' own: what is tested here is the dialect, not a service's tables.
THINGS = """
-- name: make
CREATE TABLE things (
    thing_id BIGINT NOT NULL PRIMARY KEY, seen_at DATETIME(6) NULL, shelf TINYINT NOT NULL DEFAULT 0,
    state VARCHAR(16) NOT NULL DEFAULT '', document JSON NULL) ENGINE=InnoDB;
-- name: add
INSERT INTO things (thing_id, seen_at, shelf, state, document)
VALUES (%(thing_id)s, %(seen_at)s, %(shelf)s, %(state)s, %(document)s);
"""


@pytest.fixture
def clock():
    return ManualClock(START)


def migrated(clock):
    made = MemoryServer(clock, lock_wait_s=0.05)
    for database, package in SERVICES.items():
        made.migrate(database, package)
    return made


@pytest.fixture(scope="module")
def services():
    """All databases, on which nothing is ever committed."""
    made = migrated(ManualClock(START))
    yield made
    made.close()


@pytest.fixture
def server(clock):
    made = migrated(clock)
    with MemoryDatabase(made, "rota_scheduler", parse_queries(THINGS)).transaction() as transaction:
        transaction.execute("make")
    yield made
    made.close()


def every_query():
    packages = [*SERVICES.items(), ("rota_app", "application_manager.dashboard")]
    return [(database, package, name) for database, package in packages
            for name in load_queries(package).names()]


class UndoneError(Exception):
    """Rolls back what a query did."""


@pytest.mark.parametrize(("database", "package", "name"), every_query())
def test_every_query_of_every_service_runs(services, database, package, name):
    queries = load_queries(package)
    statement = queries[name]
    values = {each: ["x"] if f"IN %({each})s" in statement.text else 0 for each in statement.parameters}
    values |= dict.fromkeys(set(values) & INSTANTS, START)
    values |= dict.fromkeys(set(values) & DOCUMENTS, "{}")
    with suppress(UndoneError), MemoryDatabase(services, database, queries).transaction() as t:
        run = t.all if statement.text.startswith("SELECT") else t.execute
        run(name, **values)
        raise UndoneError


INSTANTS = {
    "due", "stop_at", "start_by", "until", "ended_at", "now", "next_due", "next_stop", "applied_at",
    "at", "not_before", "since", "last_heartbeat", "placed_at", "started_at", "parent_due",
}
DOCUMENTS = {"spec", "command", "start_command", "why_not", "explanation", "labels"}


def door(server, text, database="rota_scheduler"):
    lines = [line.strip() for line in text.splitlines()]
    return MemoryDatabase(server, database, parse_queries("\n".join(lines)))


def one(database, name="q", **values):
    with database.transaction() as transaction:
        return transaction.one(name, **values)


def test_the_clock_is_the_injected_one_and_intervals_count_from_it(server, clock):
    database = door(server, """-- name: q
        SELECT UTC_TIMESTAMP(6) - INTERVAL %(n)s SECOND AS past, UTC_TIMESTAMP(6) + INTERVAL 1 DAY AS next,
        DATE_ADD(%(at)s, INTERVAL 2 HOUR) AS later, TIMESTAMPDIFF(MINUTE, %(at)s, UTC_TIMESTAMP(6)) AS m""")
    clock.advance(timedelta(hours=1))
    now = START + timedelta(hours=1)
    assert one(database, n=1.5, at=START) == {
        "past": now - timedelta(seconds=1.5), "next": now + timedelta(days=1),
        "later": START + timedelta(hours=2), "m": 60}


def test_words_of_mysql_are_understood(server):
    database = door(server, r"""-- name: q
        SELECT IF(%(x)s > 1, 'a', 'b') AS i, GREATEST(1, %(x)s) AS g, LEAST(1, %(x)s) AS l, 7 / 2 AS d,
        7 DIV 2 AS w, NULL <=> NULL AS e, CONCAT('it''s', ' \'so\'') AS c, 'a_b' LIKE 'a\_b' AS y,
        'axb' LIKE 'a\_b' AS n, CAST('12' AS UNSIGNED) AS u, 'A' LIKE 'a' AS s""")
    assert one(database, x=2) == {
        "i": "a", "g": 2, "l": 1, "d": 3.5, "w": 3, "e": 1, "c": "it's 'so'", "y": 1, "n": 0, "u": 12,
        "s": 0}


def test_writing_over_by_key_and_with_a_limit(server):
    database = door(server, """
        -- name: put
        INSERT INTO things (thing_id, seen_at) VALUES (%(id)s, '2026-01-01')
        ON DUPLICATE KEY UPDATE seen_at = GREATEST(seen_at, VALUES(seen_at) + INTERVAL 1 DAY);
        -- name: drop
        DELETE FROM things WHERE thing_id > 0 ORDER BY thing_id LIMIT 2;
        -- name: q
        SELECT COUNT(*) AS n, MAX(seen_at) AS at FROM things""")
    with database.transaction() as transaction:
        for number in (1, 2, 3, 3):
            transaction.execute("put", id=number)
        assert transaction.execute("drop") == 2
    assert one(database) == {"n": 1, "at": datetime(2026, 1, 2, tzinfo=UTC)}


@pytest.mark.parametrize("values", [
    {"shelf": 200}, {"state": "x" * 17}, {"document": "{"}, {"seen_at": "soon"}, {"shelf": None}])
def test_strictness_is_kept(server, values):
    database = MemoryDatabase(server, "rota_scheduler", parse_queries(THINGS))
    good = {"thing_id": 1, "seen_at": START, "shelf": 1, "state": "active", "document": "{}"}
    with database.transaction() as transaction:
        transaction.execute("add", **good)
    with pytest.raises(StatementRefusedError), database.transaction() as transaction:
        transaction.execute("add", **(good | {"thing_id": 2} | values))


COUNT = """
-- name: put
INSERT INTO things (thing_id, seen_at) VALUES (%(id)s, UTC_TIMESTAMP(6));
-- name: q
SELECT COUNT(*) AS n FROM things"""


@pytest.mark.parametrize(("step", "is_done"), [
    ("begin", False), ("statement", False), ("commit", False), ("committed", True)])
@pytest.mark.parametrize("error", [DatabaseUnavailableError, DeadlockError, KeyboardInterrupt])
def test_a_hook_breaks_off_at_every_step(server, step, is_done, error):
    database = door(server, COUNT)

    def fail(call):
        if call.step == step:
            raise error

    server.hook = fail
    with pytest.raises(error), database.transaction() as transaction:
        transaction.execute("put", id=1)
    server.hook = lambda _call: None
    assert one(database)["n"] == int(is_done)


def test_one_database_reads_anothers_tables_but_knows_no_foreign_one(server):
    assert one(door(server, "-- name: q\nSELECT COUNT(*) AS n FROM rota_scheduler.shards", "rota_app")) \
        == {"n": 16}
    with pytest.raises(DatabaseUnavailableError):
        one(door(server, "-- name: q\nSELECT 1 AS n FROM rota_app.elsewhere"))
    with pytest.raises(DatabaseUnavailableError):
        one(door(server, "-- name: q\nSELECT 1 AS n", "nowhere"))
