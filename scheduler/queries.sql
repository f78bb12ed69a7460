-- The scheduler's whole talk with its database.

-- name: take_shards
-- Take or keep shards that are ours or whose holder is silent. A new holder, and our own first time
-- after a restart, is a new epoch: what an earlier life still tries to write is refused.
UPDATE shards
SET epoch = IF(owner = %(owner)s AND NOT %(is_new)s, epoch, epoch + 1), owner = %(owner)s,
    expires_at = UTC_TIMESTAMP(6) + INTERVAL %(ttl_s)s SECOND
WHERE owner = %(owner)s OR expires_at < UTC_TIMESTAMP(6);

-- name: leave_shards
-- Give all our shards back at once, for a clean stop.
UPDATE shards SET expires_at = '2000-01-01' WHERE owner = %(owner)s;

-- name: held_shards
-- The shards we hold, and their epochs.
SELECT shard, epoch FROM shards WHERE owner = %(owner)s AND expires_at > UTC_TIMESTAMP(6);

-- name: fence
-- The shards still held and their epochs, locked until the firing transaction ends.
SELECT shard, epoch FROM shards
WHERE owner = %(owner)s AND shard IN %(shards)s AND expires_at > UTC_TIMESTAMP(6) FOR SHARE;

-- name: all_schedules
-- Every schedule there is, at start.
SELECT instance_id, shard, version, spec, image, command, state, next_due, applied_at FROM schedules;

-- name: lock_schedules
-- The schedules about to fire, locked against edits.
SELECT instance_id, version, state, next_due FROM schedules
WHERE instance_id IN %(instances)s FOR UPDATE;

-- name: put_schedule
-- Write a schedule as the application manager has it.
INSERT INTO schedules (instance_id, shard, version, spec, image, command, state, next_due,
                       next_stop, applied_at, updated_at)
VALUES (%(instance_id)s, %(shard)s, %(version)s, %(spec)s, %(image)s, %(command)s, %(state)s,
        %(next_due)s, %(next_stop)s, %(applied_at)s, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE version = %(version)s, spec = %(spec)s, image = %(image)s,
    command = %(command)s, state = %(state)s, next_due = %(next_due)s, next_stop = %(next_stop)s,
    applied_at = %(applied_at)s, updated_at = UTC_TIMESTAMP(6);

-- name: advance_schedule
-- The schedule goes on at its next due time.
UPDATE schedules SET next_due = %(next_due)s, next_stop = %(next_stop)s, updated_at = UTC_TIMESTAMP(6)
WHERE instance_id = %(instance_id)s;

-- name: insert_jobs
-- Write new rows of the ledger; a row with this key means: done already.
INSERT IGNORE INTO jobs (job_id, instance_id, due, ordinal, shard, version, state, reason, detail,
                  stop_at, start_by, not_before, count, until, is_held, is_published, stop_reason,
                  start_command, ended_at, created_at, updated_at)
VALUES (%(job_id)s, %(instance_id)s, %(due)s, %(ordinal)s, %(shard)s, %(version)s, %(state)s,
        %(reason)s, %(detail)s, %(stop_at)s, %(start_by)s, %(due)s, %(count)s, %(until)s, %(is_held)s,
        FALSE, %(stop_reason)s, %(start_command)s, %(ended_at)s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6));

-- name: existing_jobs
-- Which of these jobs are there already.
SELECT job_id FROM jobs WHERE job_id IN %(jobs)s;

-- name: insert_edges
-- What a job waits for.
INSERT IGNORE INTO edges (job_id, parent_instance, ends, parent_due)
VALUES (%(job_id)s, %(parent_instance)s, %(ends)s, %(parent_due)s);

-- name: insert_events
-- Record changes of state; never changed afterwards.
INSERT INTO job_events (job_id, attempt, at, from_state, to_state, reason, detail)
VALUES (%(job_id)s, %(attempt)s, %(at)s, %(from_state)s, %(to_state)s, %(reason)s, %(detail)s);

-- name: live_jobs_of
-- The jobs of some instances that were commanded, or are held to be, and have not ended.
SELECT job_id, instance_id, due, is_held, state FROM jobs
WHERE instance_id IN %(instances)s
  AND state IN ('QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
ORDER BY due, ordinal;

-- name: live_jobs
-- Every live job of some shards, at start and take-over.
SELECT job_id, stop_at, start_by, state, is_published, desired_stop FROM jobs
WHERE shard IN %(shards)s
  AND state IN ('PLANNED', 'WAITING', 'QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN');

-- name: lock_job
-- One job, locked.
SELECT job_id, instance_id, due, ordinal, shard, attempt, state, reason, detail, node, stop_at,
       start_by, stop_reason, revision, is_held, is_published, desired_stop, kills_sent,
       started_at, start_command
FROM jobs WHERE job_id = %(job_id)s FOR UPDATE;

-- name: update_job
-- A job in its new state; compared and set on the state that was decided upon.
UPDATE jobs
SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, node = %(node)s,
    node_load = COALESCE(%(node_load)s, node_load), started_at = COALESCE(%(started_at)s, started_at),
    ended_at = %(ended_at)s, exit_code = %(exit_code)s, lateness_ms = COALESCE(%(lateness_ms)s, lateness_ms),
    revision = %(revision)s, updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s AND state = %(before)s;

-- name: retry_job
-- A new attempt at a job, not before its pause is over.
UPDATE jobs
SET state = 'QUEUED', attempt = %(attempt)s, revision = 0, is_published = FALSE, node = NULL,
    not_before = %(not_before)s, start_command = %(start_command)s, exit_code = NULL,
    updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s AND state = %(before)s;

-- name: end_unstarted
-- A job that was never commanded ends here.
UPDATE jobs SET state = %(state)s, reason = %(reason)s, ended_at = %(now)s, is_held = FALSE,
    updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s AND state = %(before)s;

-- name: queue_job
-- A job that waited may go.
UPDATE jobs SET state = 'QUEUED', is_held = FALSE, updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s;

-- name: want_stop
-- The wish to stop a job is a row: it survives us. The first reason stays.
UPDATE jobs SET desired_stop = COALESCE(desired_stop, %(reason)s), updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s;

-- name: note_kill
-- A kill was sent once more.
UPDATE jobs SET kills_sent = kills_sent + 1, kill_sent_at = UTC_TIMESTAMP(6),
    detail = %(detail)s, updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s;

-- name: unconfirmed_kills
-- Kills to be sent, or sent again: not confirmed for so many seconds.
SELECT job_id, attempt, desired_stop, kills_sent, state, stop_at FROM jobs
WHERE shard IN %(shards)s AND desired_stop IS NOT NULL
  AND state IN ('QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
  AND (kill_sent_at IS NULL OR kill_sent_at < UTC_TIMESTAMP(6) - INTERVAL %(again_s)s SECOND);

-- name: unpublished
-- Jobs whose start command is not confirmed as sent.
SELECT job_id, attempt, not_before, start_command FROM jobs
WHERE shard IN %(shards)s AND state = 'QUEUED' AND NOT is_published AND NOT is_held
  AND not_before <= %(now)s
ORDER BY due, job_id LIMIT 5000;

-- name: mark_published
-- Start commands that Kafka has.
UPDATE jobs SET is_published = TRUE WHERE job_id IN %(jobs)s AND state <> 'PLANNED';

-- name: children_waiting
-- Jobs that wait for one due time of a parent.
SELECT edges.job_id FROM edges JOIN jobs ON jobs.job_id = edges.job_id
WHERE edges.parent_instance = %(parent)s AND edges.parent_due = %(due)s AND jobs.state = 'WAITING';

-- name: edges_of
-- Everything one job waits for.
SELECT parent_instance, ends, parent_due FROM edges WHERE job_id = %(job_id)s;

-- name: parent_states
-- The states of all ordinals of one due time.
SELECT state FROM jobs WHERE instance_id = %(instance_id)s AND due = %(due)s;

-- name: held_jobs
-- Jobs of an instance that wait for the one before them, oldest first.
SELECT job_id, due FROM jobs WHERE instance_id = %(instance_id)s AND is_held AND state = 'QUEUED'
ORDER BY due, ordinal;

-- name: last_due
-- When an instance's newest job was due.
SELECT MAX(due) AS due FROM jobs WHERE instance_id = %(instance_id)s;

-- name: waiting_jobs
-- Jobs that wait for parents, to be looked at again.
SELECT job_id FROM jobs WHERE shard IN %(shards)s AND state = 'WAITING';

-- name: is_handled
-- Whether a person's request was carried out.
SELECT request_id FROM handled_requests WHERE request_id = %(request_id)s;

-- name: mark_handled
-- A person's request is carried out.
INSERT IGNORE INTO handled_requests (request_id, handled_at) VALUES (%(request_id)s, UTC_TIMESTAMP(6));

-- name: handled_since
-- Requests carried out lately.
SELECT request_id FROM handled_requests WHERE handled_at > UTC_TIMESTAMP(6) - INTERVAL 1 DAY;

-- name: count_states
-- How many jobs are in which live state.
SELECT state, COUNT(*) AS jobs FROM jobs
WHERE state IN ('WAITING', 'QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN') GROUP BY state;

-- name: app_instance
-- One instance as the application manager has it (read-only).
SELECT instance_id, version, spec, image, command, paused, deleted, applied_at
FROM rota_app.instances WHERE instance_id = %(instance_id)s;

-- name: app_changed
-- Instances changed since a moment (read-only).
SELECT instance_id, version, spec, image, command, paused, deleted, applied_at, updated_at
FROM rota_app.instances WHERE updated_at >= %(since)s;

-- name: app_requests
-- What people asked for of some instances' jobs (read-only).
SELECT request_id, kind, instance_id, job_id FROM rota_app.job_requests
WHERE requested_at > UTC_TIMESTAMP(6) - INTERVAL 1 DAY ORDER BY request_id;
