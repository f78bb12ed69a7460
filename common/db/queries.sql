-- Queries that every service has beside its own (common.db.queries.load_queries).

-- name: database_now
-- The database's clock, which decides what is due and which lease has ended.
SELECT UTC_TIMESTAMP(6) AS now;
