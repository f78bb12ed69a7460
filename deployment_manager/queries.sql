-- The deployment manager's whole talk with its database.

-- name: lock_deployment
-- One attempt, locked; also locks the gap where it is not there yet.
SELECT * FROM deployments WHERE job_id = %(job_id)s AND attempt = %(attempt)s FOR UPDATE;

-- name: put_deployment
-- An attempt as decided; a terminal row is never written over.
INSERT INTO deployments (job_id, attempt, state, revision, epoch, node, command, desired_stop, reason,
    detail, exit_code, node_load, placed_at, started_at, ended_at, why_not, explanation, kill_failed,
    stops_sent, is_commanded, updated_at)
VALUES (%(job_id)s, %(attempt)s, %(state)s, %(revision)s, %(epoch)s, %(node)s, %(command)s,
    %(desired_stop)s, %(reason)s, %(detail)s, %(exit_code)s, %(node_load)s, %(placed_at)s,
    %(started_at)s, %(ended_at)s, %(why_not)s, %(explanation)s, %(kill_failed)s, %(stops_sent)s,
    %(is_commanded)s, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE state = %(state)s, revision = %(revision)s, epoch = %(epoch)s, node = %(node)s,
    desired_stop = %(desired_stop)s, reason = %(reason)s, detail = %(detail)s,
    exit_code = %(exit_code)s, node_load = %(node_load)s, placed_at = %(placed_at)s,
    started_at = %(started_at)s, ended_at = %(ended_at)s, why_not = %(why_not)s,
    explanation = %(explanation)s, kill_failed = %(kill_failed)s, stops_sent = %(stops_sent)s,
    is_commanded = %(is_commanded)s, updated_at = UTC_TIMESTAMP(6);

-- name: live_deployments
-- Everything that has not ended, at start.
SELECT * FROM deployments WHERE state IN ('PENDING', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN');

-- name: untold
-- Snapshots that job.events does not have yet.
SELECT * FROM deployments WHERE revision > told_revision ORDER BY updated_at LIMIT 1000;

-- name: mark_told
-- A snapshot is on its topic.
UPDATE deployments SET told_revision = GREATEST(told_revision, %(revision)s)
WHERE job_id = %(job_id)s AND attempt = %(attempt)s;

-- name: mark_commanded
-- The start command is on the node's topic.
UPDATE deployments SET is_commanded = TRUE
WHERE job_id = %(job_id)s AND attempt = %(attempt)s AND epoch = %(epoch)s;

-- name: note_stop
-- A stop command was sent once more.
UPDATE deployments SET stops_sent = stops_sent + 1, stop_sent_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s AND attempt = %(attempt)s;

-- name: ensure_lock
-- Make a node's lock row.
INSERT IGNORE INTO placement_locks (node) VALUES (%(node)s);

-- name: lock_node
-- Hold a node while a job is placed there.
SELECT node FROM placement_locks WHERE node = %(node)s FOR UPDATE;

-- name: occupants
-- Who is on a node, standalone or not.
SELECT COUNT(*) AS jobs FROM deployments
WHERE node = %(node)s AND state IN ('STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN');

-- name: standalone_on
-- Who has a node for itself.
SELECT job_id, attempt FROM standalone_reservations WHERE node = %(node)s;

-- name: reserve_standalone
-- Take a whole node; UNIQUE(node) refuses a second taker.
INSERT INTO standalone_reservations (node, job_id, attempt) VALUES (%(node)s, %(job_id)s, %(attempt)s);

-- name: release_standalone
-- Give the node back, on the confirmed end.
DELETE FROM standalone_reservations WHERE job_id = %(job_id)s AND attempt = %(attempt)s;
