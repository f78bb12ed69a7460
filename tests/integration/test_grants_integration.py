"""Each service's user on a real server: what it must not do is refused, what it needs is allowed."""

import os
import subprocess
import sys

import mysql.connector
import pytest

from tests.support import servers

pytestmark = pytest.mark.patient

INSTALLERS = {
    "rota_scheduler": ("scheduler/schedulerInit.py", "SCHEDULER"),
    "rota_deployer": ("deployment_manager/migrations.py", "DEPLOYER"),
    "rota_nodes": ("node_manager/migrations.py", "NODES"),
    "rota_app": ("application_manager/migrations.py", "APP"),
}
READS = {
    "rota_scheduler": {"rota_app": {"instances", "versions", "pauses", "job_requests"}},
    "rota_deployer": {},
    "rota_nodes": {"rota_app": {"node_requests"}},
    "rota_app": {"rota_scheduler": "all", "rota_deployer": "all", "rota_nodes": "all"},
}
PASSWORD = "only-of-this-test"
DENIED = {1044, 1142, 1143, 1227, 1370, 1410}  # database, table, column, SUPER and its like, GRANT


class Installed:
    """The four databases, made by the services' own scripts, each user with a password."""

    def __init__(self, server, folder):
        self.server = server
        secret, root = folder / "password", folder / "root"
        secret.write_text(PASSWORD)
        root.write_text(server.password)
        self.environment = {
            **os.environ, "ROTA_MYSQL_HOST": server.host, "ROTA_MYSQL_PORT": str(server.port),
            "ROTA_MYSQL_ADMIN_USER": server.user, "ROTA_MYSQL_ADMIN_PASSWORD_FILE": str(root),
            **{f"ROTA_{key}_PASSWORD_FILE": str(secret) for _, key in INSTALLERS.values()}}

    def install(self, user):
        script = servers.REPOSITORY / INSTALLERS[user][0]
        return subprocess.run([sys.executable, str(script)], env=self.environment, check=True,
                              capture_output=True, text=True).stdout

    def connect(self, user):
        password = self.server.password if user == self.server.user else PASSWORD
        return mysql.connector.connect(
            host=self.server.host, port=self.server.port, user=user, password=password,
            use_pure=True, autocommit=True)

    def tables(self):
        with self.connect(self.server.user) as root, root.cursor() as cursor:
            cursor.execute("SELECT table_schema, table_name FROM information_schema.tables"
                           " WHERE table_schema LIKE 'rota\\_%'")
            return sorted(cursor.fetchall())


@pytest.fixture(scope="module", params=["mysql_server", "mariadb_server"])
def installed(request, tmp_path_factory):
    made = Installed(request.getfixturevalue(request.param), tmp_path_factory.mktemp("grants"))
    alone = made.install("rota_scheduler")  # in an order that nobody promised
    assert "may not read rota_app.instances yet" in alone
    for user in ("rota_app", "rota_nodes", "rota_scheduler", "rota_deployer"):
        assert "may not" not in made.install(user)
    return made


def refused(cursor, statement):
    """Tell whether the server refuses a statement for want of the right to it."""
    try:
        cursor.execute(statement)
        cursor.fetchall()
    except mysql.connector.Error as error:
        if error.errno in DENIED:
            return True
        if error.errno in {1364, 1054, 1451, 1136}:  # it was allowed, and made no sense
            return False
        raise
    return False


@pytest.mark.parametrize("user", list(INSTALLERS))
def test_a_user_does_with_every_table_just_what_it_may(installed, user):
    wrong = []
    tables = installed.tables()
    assert {database for database, _ in tables} == set(INSTALLERS)
    with installed.connect(user) as connection, connection.cursor() as cursor:
        for database, table in tables:
            name = f"{database}.{table}"
            reads = READS[user].get(database, set())
            may_read = database == user or reads == "all" or table in reads
            writes = (f"INSERT INTO {name} VALUES ()", f"DELETE FROM {name} WHERE 1 = 0")
            found = {"read": not refused(cursor, f"SELECT * FROM {name} LIMIT 0"),
                     "write": not any(refused(cursor, write) for write in writes),
                     "drop": not refused(cursor, f"ALTER TABLE {name} ADD COLUMN trap INT")}
            if found != {"read": may_read, "write": database == user, "drop": False}:
                wrong.append((name, found))
    assert wrong == []


FORBIDDEN = (
    "CREATE DATABASE trap", "DROP DATABASE {own}", "CREATE TABLE {own}.trap (a INT)",
    "CREATE USER trap", "GRANT SELECT ON {own}.* TO 'rota_nodes'@'%'", "SET GLOBAL max_connections = 1",
    "SELECT * FROM mysql.user", "SELECT 'x' INTO OUTFILE '/tmp/trap'", "TRUNCATE TABLE {own}.schema_migrations",
)  # fmt: skip


@pytest.mark.parametrize("user", list(INSTALLERS))
def test_no_user_changes_the_server_its_tables_or_rights(installed, user):
    allowed = []
    with installed.connect(user) as connection, connection.cursor() as cursor:
        for statement in FORBIDDEN:
            try:
                cursor.execute(statement.format(own=user))
                cursor.fetchall()
            except mysql.connector.Error as error:
                if error.errno in {*DENIED, 1045, 1290}:  # FILE, and a server without any
                    continue
                raise
            allowed.append(statement)
    assert allowed == []
