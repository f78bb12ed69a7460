-- The deployment manager's whole talk with its database.

-- name: take_lead
-- Take the lead when its holder is silent, or was an earlier life of ours: always a new epoch, so
-- that what that life still tries to write is refused.
UPDATE leaders
SET epoch = epoch + 1, owner = %(owner)s,
    expires_at = UTC_TIMESTAMP(6) + INTERVAL %(ttl_s)s SECOND
WHERE name = 'deployment_manager' AND (owner = %(owner)s OR expires_at < UTC_TIMESTAMP(6));

-- name: leader
-- Who leads, under which epoch.
SELECT owner, epoch FROM leaders WHERE name = 'deployment_manager';

-- name: fence
-- Renew our lead inside the writing transaction; no row means that we lead no more.
UPDATE leaders SET expires_at = UTC_TIMESTAMP(6) + INTERVAL %(ttl_s)s SECOND
WHERE name = 'deployment_manager' AND owner = %(owner)s AND epoch = %(epoch)s;

-- name: stop_leading
-- Give the lead back at once, for a clean stop.
UPDATE leaders SET expires_at = '2000-01-01' WHERE owner = %(owner)s AND epoch = %(epoch)s;

-- name: attempts_of
-- All attempts at some jobs.
SELECT * FROM deployments WHERE job_id IN %(jobs)s;

-- name: live_deployments
-- Everything that has not ended, at start.
SELECT * FROM deployments WHERE state IN ('PENDING', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN');

-- name: untold
-- Ended ones whose last snapshot job.events does not have, at start.
SELECT * FROM deployments WHERE revision > told_revision
  AND state NOT IN ('PENDING', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
LIMIT 100000;

-- name: insert_placed
-- New attempts that have their nodes at once, as most do; one that is there already is refused.
INSERT INTO deployments (job_id, attempt, state, revision, epoch, node, command, node_load, placed_at,
    explanation, avoid, updated_at)
VALUES (%(job_id)s, %(attempt)s, %(state)s, %(revision)s, %(epoch)s, %(node)s, %(command)s,
    %(node_load)s, %(placed_at)s, %(explanation)s, %(avoid)s, %(now)s);

-- name: insert_others
-- New attempts that wait, or ended before they began.
INSERT INTO deployments (job_id, attempt, state, revision, command, desired_stop, reason, ended_at,
    why_not, avoid, updated_at)
VALUES (%(job_id)s, %(attempt)s, %(state)s, %(revision)s, %(command)s, %(desired_stop)s, %(reason)s,
    %(ended_at)s, %(why_not)s, %(avoid)s, %(now)s);

-- name: update_deployments
-- Attempts as decided; their commands never change.
INSERT INTO deployments (job_id, attempt, state, revision, epoch, node, desired_stop, reason, detail,
    exit_code, node_load, placed_at, started_at, ended_at, why_not, explanation, kill_failed,
    stops_sent, is_commanded, is_moving, avoid, updated_at)
VALUES (%(job_id)s, %(attempt)s, %(state)s, %(revision)s, %(epoch)s, %(node)s, %(desired_stop)s,
    %(reason)s, %(detail)s, %(exit_code)s, %(node_load)s, %(placed_at)s, %(started_at)s,
    %(ended_at)s, %(why_not)s, %(explanation)s, %(kill_failed)s, %(stops_sent)s, %(is_commanded)s,
    %(is_moving)s, %(avoid)s, %(now)s)
ON DUPLICATE KEY UPDATE state = VALUES(state), revision = VALUES(revision), epoch = VALUES(epoch),
    node = VALUES(node), desired_stop = VALUES(desired_stop), reason = VALUES(reason),
    detail = VALUES(detail), exit_code = VALUES(exit_code), node_load = VALUES(node_load),
    placed_at = VALUES(placed_at), started_at = VALUES(started_at), ended_at = VALUES(ended_at),
    why_not = VALUES(why_not), explanation = VALUES(explanation),
    kill_failed = VALUES(kill_failed), stops_sent = VALUES(stops_sent),
    is_commanded = VALUES(is_commanded), is_moving = VALUES(is_moving), avoid = VALUES(avoid),
    updated_at = VALUES(updated_at);

-- name: mark_told
-- Snapshots that job.events has.
UPDATE deployments SET told_revision = GREATEST(told_revision, %(revision)s)
WHERE job_id IN %(jobs)s AND attempt = %(attempt)s;

-- name: mark_commanded
-- Start commands that the nodes' topics have.
UPDATE deployments SET is_commanded = TRUE
WHERE job_id IN %(jobs)s AND attempt = %(attempt)s AND epoch = %(epoch)s;

-- name: reserve_standalone
-- Take whole nodes; UNIQUE(node) refuses a second taker.
INSERT INTO standalone_reservations (node, job_id, attempt)
VALUES (%(node)s, %(job_id)s, %(attempt)s);

-- name: release_standalone
-- Give nodes back, on the confirmed end.
DELETE FROM standalone_reservations WHERE job_id IN %(jobs)s AND attempt = %(attempt)s;

-- name: intruders
-- Who is on a node that another has for itself; must be nobody (G8).
SELECT deployments.job_id, deployments.node FROM standalone_reservations
JOIN deployments ON deployments.node = standalone_reservations.node
WHERE standalone_reservations.node IN %(nodes)s
  AND deployments.state IN ('STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
  AND NOT (deployments.job_id = standalone_reservations.job_id
           AND deployments.attempt = standalone_reservations.attempt);

-- name: cordons
-- Nodes that get nothing new.
SELECT node, reason FROM cordons;

-- name: cordon
-- Let a node get nothing new.
INSERT IGNORE INTO cordons (node, reason, since) VALUES (%(node)s, %(reason)s, %(now)s);

-- name: uncordon
-- Let a node get jobs again.
DELETE FROM cordons WHERE node = %(node)s;

-- name: forget_ended
-- Ended attempts that no delayed message can mean any more.
DELETE FROM deployments WHERE revision <= told_revision
  AND state NOT IN ('PENDING', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
  AND updated_at < UTC_TIMESTAMP(6) - INTERVAL %(days)s DAY LIMIT 1000;
