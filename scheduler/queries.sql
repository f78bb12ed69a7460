-- The scheduler's whole talk with its database.

-- name: see_replica
-- We are alive; who is not seen for a lease's length shares no work.
INSERT INTO replicas (replica, expires_at)
VALUES (%(replica)s, UTC_TIMESTAMP(6) + INTERVAL %(ttl_us)s MICROSECOND)
ON DUPLICATE KEY UPDATE expires_at = UTC_TIMESTAMP(6) + INTERVAL %(ttl_us)s MICROSECOND;

-- name: count_replicas
-- How many share the work.
SELECT COUNT(*) AS alive FROM replicas WHERE expires_at > UTC_TIMESTAMP(6);

-- name: forget_replica
-- We leave.
DELETE FROM replicas WHERE replica = %(replica)s OR expires_at < UTC_TIMESTAMP(6) - INTERVAL 1 DAY;

-- name: all_shards
-- Who holds what.
SELECT shard, owner, epoch, expires_at < UTC_TIMESTAMP(6) AS is_free FROM shards ORDER BY shard;

-- name: lock_free_shards
-- Shards that may be taken. One that a frozen holder's transaction has locked is passed over.
SELECT shard FROM shards
WHERE shard IN %(shards)s AND (expires_at < UTC_TIMESTAMP(6) OR owner = %(owner)s)
FOR UPDATE SKIP LOCKED;

-- name: renew_shards
-- Keep what is ours under the same epoch.
UPDATE shards SET expires_at = UTC_TIMESTAMP(6) + INTERVAL %(ttl_us)s MICROSECOND
WHERE owner = %(owner)s AND shard IN %(shards)s;

-- name: take_shards
-- Take shards. A new holder, and our own first time after a restart, is a new epoch: what an earlier
-- life still tries to write is refused.
UPDATE shards
SET epoch = epoch + 1, owner = %(owner)s,
    expires_at = UTC_TIMESTAMP(6) + INTERVAL %(ttl_us)s MICROSECOND
WHERE shard IN %(shards)s;

-- name: free_shards
-- Give shards to whoever asks next.
UPDATE shards SET owner = '', expires_at = '2000-01-01' WHERE owner = %(owner)s AND shard IN %(shards)s;

-- name: fence
-- The shards still held and their epochs, locked until the transaction ends.
SELECT shard, epoch FROM shards WHERE owner = %(owner)s AND shard IN %(shards)s LOCK IN SHARE MODE;

-- name: due_soon
-- What the agenda is filled from: the next due times after a place in their order, up to a moment.
SELECT instance_id, next_due, shard, priority FROM schedules
WHERE next_due >= %(due)s AND next_due <= %(until)s
  AND (next_due > %(due)s OR instance_id > %(instance_id)s)
ORDER BY next_due, instance_id LIMIT %(limit)s;

-- name: first_after
-- When something of anybody's is due after a moment, to sleep until then.
SELECT MIN(next_due) AS next_due FROM schedules WHERE next_due > %(until)s;

-- name: count_schedules
-- How many schedules there are.
SELECT COUNT(*) AS schedules FROM schedules;

-- name: schedules_of
-- Some schedules, as they are.
SELECT instance_id, shard, version, spec, image, command, state, next_due, applied_at
FROM schedules WHERE instance_id IN %(instances)s;

-- name: lock_schedules
-- Some schedules, locked: what is decided of an instance's jobs is decided by one at a time.
SELECT instance_id, shard, version, spec, image, command, state, next_due, applied_at
FROM schedules WHERE instance_id IN %(instances)s ORDER BY instance_id FOR UPDATE;

-- name: lock_due
-- The same, with what tells whether they are still as they were when they were read.
SELECT instance_id, version, state, next_due, applied_at FROM schedules
WHERE instance_id IN %(instances)s ORDER BY instance_id FOR UPDATE;

-- name: lock_instances
-- The same, where only the lock is wanted.
SELECT instance_id FROM schedules WHERE instance_id IN %(instances)s
ORDER BY instance_id FOR UPDATE;

-- name: put_schedules
-- Write schedules as the application manager has them.
INSERT INTO schedules (instance_id, shard, version, spec, image, command, state, priority, next_due,
                       next_stop, applied_at, updated_at)
VALUES (%(instance_id)s, %(shard)s, %(version)s, %(spec)s, %(image)s, %(command)s, %(state)s,
        %(priority)s, %(next_due)s, %(next_stop)s, %(applied_at)s, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE version = VALUES(version), spec = VALUES(spec), image = VALUES(image),
    command = VALUES(command), state = VALUES(state), priority = VALUES(priority),
    next_due = VALUES(next_due), next_stop = VALUES(next_stop), applied_at = VALUES(applied_at),
    updated_at = VALUES(updated_at);

-- name: insert_schedules
-- The same for schedules that are not there yet.
INSERT INTO schedules (instance_id, shard, version, spec, image, command, state, priority, next_due,
                       next_stop, applied_at, updated_at)
VALUES (%(instance_id)s, %(shard)s, %(version)s, %(spec)s, %(image)s, %(command)s, %(state)s,
        %(priority)s, %(next_due)s, %(next_stop)s, %(applied_at)s, UTC_TIMESTAMP(6));

-- name: keep_versions
-- Remember the present versions of schedules about to change: live jobs are started from them.
INSERT IGNORE INTO past_versions (instance_id, version, spec, image, command)
SELECT instance_id, version, spec, image, command FROM schedules WHERE instance_id IN %(instances)s;

-- name: note_version_ends
-- Since when these versions are past.
INSERT IGNORE INTO version_ends (instance_id, version, ended_at)
SELECT instance_id, version, UTC_TIMESTAMP(6) FROM schedules WHERE instance_id IN %(instances)s;

-- name: keep_passed
-- Remember versions that came and went before we looked.
INSERT IGNORE INTO past_versions (instance_id, version, spec, image, command)
VALUES (%(instance_id)s, %(version)s, %(spec)s, %(image)s, %(command)s);

-- name: note_passed_ends
-- Since when we know that these are past.
INSERT IGNORE INTO version_ends (instance_id, version, ended_at)
VALUES (%(instance_id)s, %(version)s, UTC_TIMESTAMP(6));

-- name: past_versions_of
-- Versions before the present ones.
SELECT instance_id, version, spec, image, command FROM past_versions
WHERE instance_id IN %(instances)s;

-- name: advance_schedules
-- Schedules go on at their next due times. They are there and locked, so nothing is ever inserted.
INSERT INTO schedules (instance_id, shard, version, spec, image, command, state, next_due, next_stop,
                       applied_at, updated_at)
VALUES (%(instance_id)s, 0, 0, '{}', '', '[]', '', %(next_due)s, %(next_stop)s, UTC_TIMESTAMP(6),
        UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE next_due = VALUES(next_due), next_stop = VALUES(next_stop),
    updated_at = VALUES(updated_at);

-- name: advance_alike
-- The same for schedules that go on at one instant: half the cost.
UPDATE schedules SET next_due = %(next_due)s, next_stop = %(next_stop)s,
    updated_at = UTC_TIMESTAMP(6)
WHERE instance_id IN %(instances)s;

-- name: clear_dependencies
-- A new version of a child may have other parents.
DELETE FROM dependencies WHERE child_instance IN %(children)s;

-- name: insert_dependencies
-- Who depends on whom.
INSERT IGNORE INTO dependencies (parent_instance, child_instance)
VALUES (%(parent_instance)s, %(child_instance)s);

-- name: children_of
-- The dependents of some instances.
SELECT parent_instance, child_instance FROM dependencies
WHERE parent_instance IN %(parents)s ORDER BY parent_instance, child_instance;

-- name: insert_jobs
-- Write new rows of the ledger; a row with this key means: done already.
INSERT INTO jobs (job_id, instance_id, due, ordinal, shard, version, state, reason, detail, stop_at,
                  start_by, not_before, count, until, is_held, is_manual, stop_reason, ended_at,
                  created_at, updated_at)
VALUES (%(job_id)s, %(instance_id)s, %(due)s, %(ordinal)s, %(shard)s, %(version)s, %(state)s,
        %(reason)s, %(detail)s, %(stop_at)s, %(start_by)s, %(due)s, %(count)s, %(until)s, %(is_held)s,
        %(is_manual)s, %(stop_reason)s, %(ended_at)s, %(now)s, %(now)s);

-- name: insert_ready
-- The same for jobs that go at once; what all of them have in common is the columns' default.
INSERT INTO jobs (job_id, instance_id, due, ordinal, shard, version, state, stop_at, start_by,
                  not_before, stop_reason, created_at, updated_at)
VALUES (%(job_id)s, %(instance_id)s, %(due)s, %(ordinal)s, %(shard)s, %(version)s, 'QUEUED',
        %(stop_at)s, %(start_by)s, %(due)s, %(stop_reason)s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6));

-- name: existing_jobs
-- Which of these jobs are there already.
SELECT job_id FROM jobs WHERE job_id IN %(jobs)s;

-- name: ahead_of
-- Jobs written ahead of their due times, not sent yet.
SELECT job_id, instance_id, due FROM jobs
WHERE instance_id IN %(instances)s AND due > %(now)s AND state = 'QUEUED'
  AND is_published = FALSE AND is_manual = FALSE
ORDER BY due;

-- name: take_back_jobs
-- Jobs that never came to be.
DELETE FROM jobs WHERE job_id IN %(jobs)s;

-- name: take_back_births
-- And their births.
DELETE FROM job_events WHERE job_id IN %(jobs)s;

-- name: extend_job
-- A row stands for more due times.
UPDATE jobs SET count = count + %(count)s, until = %(until)s, updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s;

-- name: insert_edges
-- What a job waits for.
INSERT IGNORE INTO edges (job_id, parent_instance, ends, parent_due)
VALUES (%(job_id)s, %(parent_instance)s, %(ends)s, %(parent_due)s);

-- name: insert_events
-- Record changes of state; never changed afterwards.
INSERT INTO job_events (job_id, attempt, at, from_state, to_state, reason, detail)
VALUES (%(job_id)s, %(attempt)s, %(at)s, %(from_state)s, %(to_state)s, %(reason)s, %(detail)s);

-- name: insert_births
-- Record that jobs came to be, in the states they were born in.
INSERT INTO job_events (job_id, attempt, at, from_state, to_state, reason, detail)
SELECT job_id, 1, %(at)s, NULL, state, reason, detail FROM jobs WHERE job_id IN %(jobs)s;

-- name: live_jobs_of
-- The jobs of some instances that were commanded, or are held to be, and have not ended.
SELECT job_id, instance_id, due, is_held, state FROM jobs
WHERE instance_id IN %(instances)s
  AND state IN ('QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
ORDER BY due, ordinal;

-- name: unended_jobs_of
-- The jobs of one instance that have not ended, those that wait included.
SELECT job_id, due FROM jobs
WHERE instance_id = %(instance_id)s
  AND state IN ('PLANNED', 'WAITING', 'QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN');

-- name: live_stops
-- What must stop one day, of some shards, at start and take-over.
SELECT job_id, state, attempt, revision, stop_at, stop_reason, start_by, is_held, desired_stop
FROM jobs
WHERE shard IN %(shards)s AND desired_stop IS NULL
  AND state IN ('PLANNED', 'WAITING', 'QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
  AND (stop_at IS NOT NULL OR is_held OR state IN ('PLANNED', 'WAITING'));

-- name: lock_jobs
-- Some jobs, locked.
SELECT job_id, instance_id, due, ordinal, shard, version, attempt, state, reason, detail, node,
       stop_at, start_by, stop_reason, revision, is_held, is_published, desired_stop, kills_sent,
       started_at, not_before, count, is_manual, created_at
FROM jobs WHERE job_id IN %(jobs)s ORDER BY job_id FOR UPDATE;

-- name: update_job
-- A job in its new state; compared and set on the state and attempt that were decided upon.
UPDATE jobs
SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, node = %(node)s,
    node_load = COALESCE(%(node_load)s, node_load), started_at = COALESCE(%(started_at)s, started_at),
    ended_at = %(ended_at)s, exit_code = %(exit_code)s,
    lateness_ms = COALESCE(%(lateness_ms)s, lateness_ms), revision = %(revision)s,
    is_published = TRUE, updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s AND state = %(before)s AND attempt = %(attempt)s;

-- name: retry_job
-- A new attempt at a job, not before its pause is over.
UPDATE jobs
SET state = 'QUEUED', attempt = %(attempt)s, revision = 0, is_published = FALSE, node = NULL,
    not_before = %(not_before)s, start_by = %(start_by)s, reason = NULL, detail = %(detail)s,
    exit_code = NULL, ended_at = NULL, started_at = NULL, desired_stop = NULL, kills_sent = 0,
    kill_sent_at = NULL, is_held = %(is_held)s, updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s AND state = %(before)s AND attempt = %(attempt)s - 1;

-- name: end_unstarted
-- A job that was never commanded ends here.
UPDATE jobs SET state = %(state)s, reason = %(reason)s, ended_at = %(now)s, is_held = FALSE,
    updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s AND state = %(before)s;

-- name: queue_job
-- A job that waited may go, or is held behind others; from now on it is wanted.
UPDATE jobs SET state = 'QUEUED', is_held = %(is_held)s,
    not_before = GREATEST(not_before, %(now)s), updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s AND (state = 'WAITING' OR (state = 'QUEUED' AND is_held));

-- name: want_stop
-- The wish to stop a job is a row: it survives us. The first reason stays.
UPDATE jobs SET desired_stop = COALESCE(desired_stop, %(reason)s), updated_at = UTC_TIMESTAMP(6)
WHERE job_id = %(job_id)s
  AND state IN ('QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN');

-- name: note_kills
-- Kills were sent once more.
UPDATE jobs SET kills_sent = kills_sent + 1, kill_sent_at = UTC_TIMESTAMP(6),
    updated_at = UTC_TIMESTAMP(6)
WHERE job_id IN %(jobs)s;

-- name: note_failing_kills
-- Kills that were sent several times and are not confirmed.
UPDATE jobs SET detail = 'the kill is not confirmed' WHERE job_id IN %(jobs)s;

-- name: unconfirmed_kills
-- Kills to be sent, or sent again: not confirmed for so many seconds. A job that is stopping has its
-- kill; its deployment sees to the rest.
SELECT job_id, attempt, desired_stop, kills_sent, state, stop_at FROM jobs
WHERE shard IN %(shards)s AND desired_stop IS NOT NULL
  AND (state IN ('QUEUED', 'STARTING', 'RUNNING', 'UNKNOWN')
       OR (state = 'STOPPING' AND kill_sent_at IS NULL))
  AND (kill_sent_at IS NULL OR kill_sent_at < UTC_TIMESTAMP(6) - INTERVAL %(again_s)s SECOND)
ORDER BY job_id LIMIT 2000;

-- name: unpublished
-- Jobs whose start command is not confirmed as sent.
SELECT job_id, instance_id, due, ordinal, version, attempt, start_by, stop_at, stop_reason FROM jobs
WHERE shard IN %(shards)s AND state = 'QUEUED' AND is_published = FALSE AND is_held = FALSE
  AND desired_stop IS NULL AND not_before <= %(now)s
ORDER BY due, job_id LIMIT %(limit)s;

-- name: mark_published
-- Start commands that Kafka has. What changed its state since is marked already.
UPDATE jobs SET is_published = TRUE
WHERE job_id IN %(jobs)s AND attempt = %(attempt)s AND is_published = FALSE;

-- name: children_waiting
-- Jobs that wait for due times of a parent.
SELECT edges.job_id, edges.parent_due FROM edges JOIN jobs ON jobs.job_id = edges.job_id
WHERE edges.parent_instance = %(parent)s AND edges.parent_due IN %(dues)s AND jobs.state = 'WAITING'
ORDER BY edges.job_id;

-- name: edges_of
-- Everything one job waits for.
SELECT parent_instance, ends, parent_due FROM edges WHERE job_id = %(job_id)s;

-- name: parent_states
-- The states of all ordinals of one due time.
SELECT state FROM jobs WHERE instance_id = %(instance_id)s AND due = %(due)s;

-- name: stretch_over
-- The stretch that covers a due time without a row of its own; runs by hand may lie in between.
SELECT state, until FROM (
    SELECT state, due, until FROM jobs WHERE instance_id = %(instance_id)s AND due < %(due)s
    ORDER BY due DESC LIMIT 50) AS near
WHERE until >= %(due)s ORDER BY due DESC LIMIT 1;

-- name: last_row
-- The newest row of an instance that a due time made, up to a moment.
SELECT job_id, state, reason, version, due, until FROM jobs
WHERE instance_id = %(instance_id)s AND due <= %(until)s AND is_manual = FALSE
ORDER BY due DESC, ordinal LIMIT 1;

-- name: newest_rows
-- The newest rows of an instance that due times made, one for each due time.
SELECT job_id, state, reason, version, due, until FROM jobs
WHERE instance_id = %(instance_id)s AND due <= %(until)s AND is_manual = FALSE AND ordinal = 0
ORDER BY due DESC LIMIT 3;

-- name: newest_due
-- When an instance's newest job was due.
SELECT MAX(due) AS due FROM jobs WHERE instance_id = %(instance_id)s;

-- name: newest_due_until
-- When an instance's newest job up to a moment was due.
SELECT MAX(due) AS due FROM jobs WHERE instance_id = %(instance_id)s AND due <= %(until)s;

-- name: waiting_jobs
-- Jobs that wait for parents, or behind others, to be looked at again.
SELECT job_id, instance_id, state FROM jobs
WHERE shard IN %(shards)s AND (state = 'WAITING' OR (state = 'QUEUED' AND is_held = TRUE))
ORDER BY due LIMIT 1000;

-- name: told_between
-- Which due times of an instance have rows of their own already.
SELECT DISTINCT due FROM jobs
WHERE instance_id = %(instance_id)s AND due >= %(first)s AND due <= %(last)s AND is_manual = FALSE;

-- name: rows_between
-- The ledger of an instance, for the auditor; a stretch may have begun before.
SELECT due, ordinal, count, until, version FROM jobs
WHERE instance_id = %(instance_id)s AND due < %(before)s AND is_manual = FALSE
  AND (due > %(after)s OR until > %(after)s)
ORDER BY due LIMIT 20000;

-- name: schedules_after
-- The next schedules to audit.
SELECT instance_id, shard, version, spec, image, command, state, next_due, applied_at
FROM schedules WHERE instance_id > %(after)s ORDER BY instance_id LIMIT %(limit)s;

-- name: mark_handled
-- A person's request is carried out; a duplicate means: done already.
INSERT INTO handled_requests (request_id, outcome, detail, handled_at)
VALUES (%(request_id)s, %(outcome)s, %(detail)s, UTC_TIMESTAMP(6));

-- name: old_answers
-- Answers to requests that nobody asks for any more; the oldest have the lowest numbers.
SELECT request_id FROM handled_requests
WHERE handled_at < UTC_TIMESTAMP(6) - INTERVAL %(keep_s)s SECOND ORDER BY request_id LIMIT %(limit)s;

-- name: forget_answers
-- Forget them.
DELETE FROM handled_requests WHERE request_id IN %(requests)s;

-- name: old_versions
-- Versions that ended long ago.
SELECT instance_id, version FROM version_ends
WHERE ended_at < UTC_TIMESTAMP(6) - INTERVAL %(keep_s)s SECOND ORDER BY ended_at LIMIT %(limit)s;

-- name: versions_of_live_jobs
-- What jobs that have not ended were made of.
SELECT DISTINCT instance_id, version FROM jobs
WHERE instance_id IN %(instances)s
  AND state IN ('PLANNED', 'WAITING', 'QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN');

-- name: keep_version_longer
-- A job of it lives yet.
UPDATE version_ends SET ended_at = UTC_TIMESTAMP(6)
WHERE instance_id = %(instance_id)s AND version = %(version)s;

-- name: forget_version
-- Nothing is started from it any more.
DELETE FROM past_versions WHERE instance_id = %(instance_id)s AND version = %(version)s;

-- name: forget_version_end
-- And so is when it ended.
DELETE FROM version_ends WHERE instance_id = %(instance_id)s AND version = %(version)s;

-- name: app_instances
-- Some instances as the application manager has them, and whether we have them at all (read-only).
SELECT i.instance_id, i.version, i.spec, i.image, i.command, i.paused, i.deleted, i.applied_at,
       i.updated_at, s.instance_id IS NULL AS is_new
FROM rota_app.instances AS i LEFT JOIN schedules AS s ON s.instance_id = i.instance_id
WHERE i.instance_id IN %(instances)s ORDER BY i.instance_id;

-- name: app_versions
-- All that was ever said of some instances, of each in order (read-only).
SELECT instance_id, version, spec, image, command, change_kind, applied_at FROM rota_app.versions
WHERE instance_id IN %(instances)s ORDER BY instance_id, version;

-- name: app_pauses
-- How some instances are, and each change of their pauses from a moment on, in order (read-only).
SELECT i.instance_id, i.version, i.applied_at, i.deleted, i.paused, p.is_paused, p.changed_at
FROM rota_app.instances AS i
LEFT JOIN rota_app.pauses AS p ON p.instance_id = i.instance_id AND p.changed_at >= %(since)s
WHERE i.instance_id IN %(instances)s ORDER BY i.instance_id, p.change_id;

-- name: app_marks
-- What tells whether instances changed since they were read (read-only).
SELECT instance_id, version, updated_at FROM rota_app.instances WHERE instance_id IN %(instances)s;

-- name: app_changed
-- Instances that changed since a moment, in the order of their ids, without their specs (read-only).
SELECT instance_id, version, paused, deleted, applied_at, updated_at
FROM rota_app.instances WHERE updated_at >= %(since)s AND instance_id > %(after)s
ORDER BY instance_id LIMIT %(limit)s;

-- name: app_portion
-- How far the next instances in the order of their ids go (read-only).
SELECT COUNT(*) AS instances, MAX(instance_id) AS instance_id, MAX(updated_at) AS updated_at
FROM (SELECT instance_id, updated_at FROM rota_app.instances WHERE instance_id > %(after)s
      ORDER BY instance_id LIMIT %(limit)s) AS read_now;

-- name: app_behind
-- Those between two ids that we do not have, or not as they are (read-only). A list of a thousand ids
-- costs the server more than the rows themselves.
SELECT i.instance_id, i.version, i.spec, i.image, i.command, i.paused, i.deleted, i.applied_at,
       i.updated_at, s.instance_id IS NULL AS is_new
FROM rota_app.instances AS i LEFT JOIN schedules AS s ON s.instance_id = i.instance_id
WHERE i.instance_id > %(after)s AND i.instance_id <= %(last)s
  AND (s.instance_id IS NULL OR s.version <> i.version OR s.applied_at <> i.applied_at
       OR s.state <> CASE WHEN i.deleted THEN 'deleted' WHEN i.paused THEN 'paused' ELSE 'active' END)
ORDER BY i.instance_id;

-- name: known_versions
-- What we have of some instances.
SELECT instance_id, version, state, applied_at FROM schedules WHERE instance_id IN %(instances)s;

-- name: app_requests
-- What people asked for and nobody has carried out (read-only).
SELECT request_id, kind, instance_id, job_id, due, forced, requested_at FROM rota_app.job_requests
WHERE requested_at > UTC_TIMESTAMP(6) - INTERVAL 1 DAY
  AND request_id NOT IN (SELECT request_id FROM handled_requests
                         WHERE handled_at > UTC_TIMESTAMP(6) - INTERVAL 2 DAY)
ORDER BY request_id LIMIT 500;
