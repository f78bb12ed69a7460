-- What common.db.migrate says to the server, beside the migrations themselves.

-- name: create_schema_migrations
CREATE TABLE IF NOT EXISTS schema_migrations (
    name VARCHAR(200) NOT NULL PRIMARY KEY,
    checksum CHAR(64) NOT NULL,
    applied_at DATETIME(6) NOT NULL
);

-- name: list_migrations
SELECT name, checksum FROM schema_migrations;

-- name: record_migration
INSERT INTO schema_migrations (name, checksum, applied_at)
VALUES (%(name)s, %(checksum)s, UTC_TIMESTAMP(6));

-- name: get_lock
SELECT GET_LOCK(%(name)s, %(timeout_s)s);

-- name: release_lock
SELECT RELEASE_LOCK(%(name)s);

-- name: create_user
CREATE USER IF NOT EXISTS %(user)s@%(host)s IDENTIFIED BY %(password)s;

-- name: set_password
ALTER USER %(user)s@%(host)s IDENTIFIED BY %(password)s;

-- name: tables_named
-- One row where this table exists: a right on a single table cannot be given before.
SELECT table_name FROM information_schema.tables
WHERE table_schema = %(database)s AND table_name = %(table)s;

-- name: show_grants
SHOW GRANTS FOR %(user)s@%(host)s;

-- name: show_own_grants
SHOW GRANTS;
