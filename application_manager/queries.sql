-- The application manager's whole talk with its database, and what it reads of the others.

-- name: instance_ids
-- Every instance that is there, for parents named in a file.
SELECT instance_id FROM instances WHERE NOT deleted;

-- name: instances_by_id
-- Some instances as stored, deleted ones too.
SELECT instance_id, version, spec, image, command, paused, deleted, applied_at, applied_by,
       paused_by, pause_reason
FROM instances WHERE instance_id IN %(instances)s;

-- name: lock_instances
-- The same, locked until the end of the transaction.
SELECT instance_id, version, spec, image, command, paused, deleted, applied_at, applied_by,
       paused_by, pause_reason
FROM instances WHERE instance_id IN %(instances)s FOR UPDATE;

-- name: list_instances
-- A page of instances by id, with what the scheduler knows of them.
SELECT i.instance_id, i.version, i.spec, i.image, i.command, i.paused, i.deleted, i.applied_at,
       i.applied_by, i.paused_by, i.pause_reason, s.next_due, s.next_stop, s.version AS taken_version
FROM instances AS i LEFT JOIN rota_scheduler.schedules AS s ON s.instance_id = i.instance_id
WHERE NOT i.deleted AND i.instance_id > %(after)s
ORDER BY i.instance_id LIMIT %(limit)s;

-- name: all_specs
-- Every instance that is there, for dependencies between files.
SELECT instance_id, version, spec, image, command, paused, deleted, applied_at, applied_by,
       paused_by, pause_reason
FROM instances WHERE NOT deleted;

-- name: active_specs
-- The schedules in force, for what is planned; the first ones by id.
SELECT instance_id, spec FROM instances WHERE NOT deleted AND NOT paused
ORDER BY instance_id LIMIT %(limit)s;

-- name: count_active
-- How many schedules are in force.
SELECT COUNT(*) AS instances FROM instances WHERE NOT deleted AND NOT paused;

-- name: show_instance
-- One instance, with what the scheduler knows of it.
SELECT i.instance_id, i.version, i.spec, i.image, i.command, i.paused, i.deleted, i.applied_at,
       i.applied_by, i.paused_by, i.pause_reason, s.next_due, s.next_stop, s.version AS taken_version
FROM instances AS i LEFT JOIN rota_scheduler.schedules AS s ON s.instance_id = i.instance_id
WHERE i.instance_id = %(instance_id)s;

-- name: put_instances
-- New and changed instances. A pause outlives a new version.
INSERT INTO instances (instance_id, version, spec, image, command, paused, deleted, applied_at,
                       updated_at, applied_by)
VALUES (%(instance_id)s, %(version)s, %(spec)s, %(image)s, %(command)s, FALSE, %(deleted)s,
        UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), %(actor)s)
ON DUPLICATE KEY UPDATE version = VALUES(version), spec = VALUES(spec), image = VALUES(image),
    command = VALUES(command), deleted = VALUES(deleted), applied_at = VALUES(applied_at),
    updated_at = VALUES(updated_at), applied_by = VALUES(applied_by);

-- name: add_versions
-- What each version said, for ever.
INSERT INTO versions (instance_id, version, spec, image, command, change_kind, applied_by, applied_at)
VALUES (%(instance_id)s, %(version)s, %(spec)s, %(image)s, %(command)s, %(kind)s, %(actor)s,
        UTC_TIMESTAMP(6));

-- name: list_versions
-- The history of an instance, newest first.
SELECT instance_id, version, spec, image, command, change_kind, applied_by, applied_at
FROM versions WHERE instance_id = %(instance_id)s ORDER BY version DESC LIMIT 1000;

-- name: set_paused
-- Pause or resume.
UPDATE instances SET paused = %(paused)s, paused_by = %(actor)s, pause_reason = %(reason)s,
    updated_at = UTC_TIMESTAMP(6)
WHERE instance_id = %(instance_id)s AND NOT deleted;

-- name: add_pause
-- From now on it is paused, or is not any more; for ever.
INSERT INTO pauses (instance_id, is_paused, changed_at)
VALUES (%(instance_id)s, %(paused)s, UTC_TIMESTAMP(6));

-- name: all_applications
-- The application repository.
SELECT name, image, command, description, updated_at FROM applications ORDER BY name;

-- name: put_application
-- Register an application, or change it.
INSERT INTO applications (name, image, command, description, created_at, updated_at)
VALUES (%(name)s, %(image)s, %(command)s, %(description)s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE image = VALUES(image), command = VALUES(command),
    description = VALUES(description), updated_at = VALUES(updated_at);

-- name: held_images
-- What the machines of the fleet hold under some names of images.
SELECT i.node_id, i.name, i.image_id, i.digest
FROM rota_nodes.node_images AS i JOIN rota_nodes.nodes AS n ON n.node_id = i.node_id
WHERE i.name IN %(names)s AND n.state IN ('ACTIVE', 'SUSPECT', 'DRAINING')
ORDER BY i.name, i.node_id;

-- name: delete_application
-- Take an application out of the repository; instances keep the image they were applied with.
DELETE FROM applications WHERE name = %(name)s;

-- name: add_outbox
-- Ids that Kafka is to have.
INSERT INTO outbox (instance_id, created_at) VALUES (%(instance_id)s, UTC_TIMESTAMP(6));

-- name: outbox
-- Ids to publish, oldest first.
SELECT outbox_id, instance_id FROM outbox ORDER BY outbox_id LIMIT 5000;

-- name: clear_outbox
-- Kafka has them.
DELETE FROM outbox WHERE outbox_id IN %(ids)s;

-- name: outbox_size
-- How many ids wait.
SELECT COUNT(*) AS ids FROM outbox;

-- name: add_request
-- Ask the scheduler something about a job or an instance.
INSERT INTO job_requests (request_key, kind, instance_id, job_id, due, forced, requested_by,
                          requested_at)
VALUES (%(key)s, %(kind)s, %(instance_id)s, %(job_id)s, %(due)s, %(forced)s, %(actor)s, UTC_TIMESTAMP(6));

-- name: find_request
-- What was asked, and what the scheduler made of it (NULL: not looked at yet).
SELECT r.request_key, r.kind, r.instance_id, r.job_id, r.due, r.forced, r.requested_by,
       r.requested_at, h.outcome, h.detail, h.handled_at
FROM job_requests AS r LEFT JOIN rota_scheduler.handled_requests AS h ON h.request_id = r.request_id
WHERE r.request_key = %(key)s;

-- name: unended_jobs
-- Jobs of some instances that have not ended.
SELECT job_id, instance_id FROM rota_scheduler.jobs
WHERE instance_id IN %(instances)s
  AND state IN ('PLANNED', 'WAITING', 'QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
ORDER BY due, job_id LIMIT 1000;

-- name: find_version
-- What one version of an instance said.
SELECT instance_id, version, spec, image, command, change_kind, applied_by, applied_at
FROM versions WHERE instance_id = %(instance_id)s AND version = %(version)s;

-- name: count_admins
-- Who could still let others in, but for one.
SELECT COUNT(*) AS admins FROM users WHERE role = 'admin' AND NOT is_disabled AND name <> %(but)s;

-- name: add_node_request
-- Ask the node manager to drain a node, or to use it again.
INSERT INTO node_requests (node_id, wish, requested_by, requested_at)
VALUES (%(node_id)s, %(wish)s, %(actor)s, UTC_TIMESTAMP(6));

-- name: find_answer
-- The answer given to a request with this key.
SELECT request_hash, response FROM idempotency_keys
WHERE actor = %(actor)s AND idempotency_key = %(key)s;

-- name: keep_answer
-- Remember an answer; a duplicate means that the same request is being answered now.
INSERT INTO idempotency_keys (actor, idempotency_key, request_hash, response, created_at)
VALUES (%(actor)s, %(key)s, %(request_hash)s, %(response)s, UTC_TIMESTAMP(6));

-- name: forget_requests
-- What people asked for long ago.
DELETE FROM job_requests WHERE requested_at < UTC_TIMESTAMP(6) - INTERVAL %(keep_s)s SECOND LIMIT 1000;

-- name: forget_answers
-- Keys are kept for a day.
DELETE FROM idempotency_keys WHERE created_at < UTC_TIMESTAMP(6) - INTERVAL 1 DAY LIMIT 1000;

-- name: add_audit
-- Record what somebody did.
INSERT INTO audit (at, actor, action, target, detail)
VALUES (UTC_TIMESTAMP(6), %(actor)s, %(action)s, %(target)s, %(detail)s);

-- name: list_audit
-- What was done, newest first.
SELECT audit_id, at, actor, action, target, detail FROM audit
WHERE audit_id < %(before)s AND (%(target)s IS NULL OR target = %(target)s)
ORDER BY audit_id DESC LIMIT %(limit)s;

-- name: find_user
-- One user by name.
SELECT name, password_hash, role, is_disabled FROM users WHERE name = %(name)s;

-- name: list_users
-- Everyone who may log in.
SELECT name, role, is_disabled, created_at FROM users ORDER BY name;

-- name: add_user
-- A new user; nothing where there is one already.
INSERT IGNORE INTO users (name, password_hash, role, created_at)
VALUES (%(name)s, %(password_hash)s, %(role)s, UTC_TIMESTAMP(6));

-- name: change_user
-- Change a user's role, password or state; None leaves it as it is.
UPDATE users SET role = COALESCE(%(role)s, role), is_disabled = COALESCE(%(is_disabled)s, is_disabled),
    password_hash = COALESCE(%(password_hash)s, password_hash)
WHERE name = %(name)s;

-- name: delete_user
-- Remove a user.
DELETE FROM users WHERE name = %(name)s;

-- name: find_token
-- The token with this hash.
SELECT token_id, name, role, last_used_at FROM tokens WHERE token_hash = %(token_hash)s;

-- name: list_tokens
-- API tokens, never the secret itself; what each was made with is in the audit.
SELECT t.token_id, t.name, t.role, t.created_by, t.created_at, t.last_used_at,
       (SELECT a.detail FROM audit AS a WHERE a.target = t.name AND a.action = 'token.add'
        ORDER BY a.audit_id DESC LIMIT 1) AS made
FROM tokens AS t ORDER BY t.name;

-- name: put_token
-- A token; one of the same name gets the new secret.
INSERT INTO tokens (name, token_hash, role, created_by, created_at)
VALUES (%(name)s, %(token_hash)s, %(role)s, %(actor)s, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE token_hash = VALUES(token_hash), role = VALUES(role);

-- name: add_token
-- A token of a new name.
INSERT INTO tokens (name, token_hash, role, created_by, created_at)
VALUES (%(name)s, %(token_hash)s, %(role)s, %(actor)s, UTC_TIMESTAMP(6));

-- name: note_token_use
-- When a token was last used, to the minute.
UPDATE tokens SET last_used_at = UTC_TIMESTAMP(6)
WHERE token_id = %(token_id)s
  AND (last_used_at IS NULL OR last_used_at < UTC_TIMESTAMP(6) - INTERVAL 60 SECOND);

-- name: delete_token
-- Revoke a token.
DELETE FROM tokens WHERE name = %(name)s;

-- name: add_session
-- A login.
INSERT INTO sessions (session_hash, user_name, csrf_token, created_at, expires_at)
VALUES (%(session_hash)s, %(user_name)s, %(csrf_token)s, UTC_TIMESTAMP(6),
        UTC_TIMESTAMP(6) + INTERVAL 12 HOUR);

-- name: find_session
-- A session that has not ended, of a user who still may.
SELECT s.user_name, s.csrf_token, u.role FROM sessions AS s JOIN users AS u ON u.name = s.user_name
WHERE s.session_hash = %(session_hash)s AND s.expires_at > UTC_TIMESTAMP(6) AND NOT u.is_disabled;

-- name: end_session
-- Log out.
DELETE FROM sessions WHERE session_hash = %(session_hash)s;

-- name: end_sessions_of
-- Log a user out everywhere.
DELETE FROM sessions WHERE user_name = %(user_name)s;

-- name: forget_sessions
-- Sessions that have ended.
DELETE FROM sessions WHERE expires_at < UTC_TIMESTAMP(6) LIMIT 1000;

-- name: login_failures
-- How often these subjects failed, and how long ago.
SELECT subject, failures, TIMESTAMPDIFF(SECOND, last_at, UTC_TIMESTAMP(6)) AS age_s
FROM login_failures WHERE subject IN %(subjects)s;

-- name: note_failure
-- One more; an hour of quiet forgets those before.
INSERT INTO login_failures (subject, failures, last_at) VALUES (%(subject)s, 1, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE
    failures = IF(last_at < UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, 1, failures + 1),
    last_at = UTC_TIMESTAMP(6);

-- name: forget_failures
-- A login that worked.
DELETE FROM login_failures WHERE subject IN %(subjects)s;

-- name: newest_ids
-- A page of the ledger, newest due first, of one state or any. NULL in a filter means: any (the server
-- folds it away).
SELECT job_id, due FROM rota_scheduler.jobs
WHERE (%(state)s IS NULL OR state = %(state)s)
  AND (%(instance)s IS NULL OR instance_id = %(instance)s)
  AND (%(node)s IS NULL OR node = %(node)s)
  AND (%(due)s IS NULL OR due <= %(due)s AND (due < %(due)s OR job_id < %(job_id)s))
ORDER BY due DESC, job_id DESC LIMIT %(limit)s;

-- name: newest_ids_in_state
-- The same where only the state is asked for. It names no column that by_state_due has not: MariaDB
-- reads an index alone only then, and without it walks a whole state to reach a page.
SELECT job_id, due FROM rota_scheduler.jobs
WHERE state = %(state)s
  AND (%(due)s IS NULL OR due <= %(due)s AND (due < %(due)s OR job_id < %(job_id)s))
ORDER BY due DESC, job_id DESC LIMIT %(limit)s;

-- name: jobs_by_id
-- Some jobs of the ledger.
SELECT job_id, instance_id, due, ordinal, version, attempt, state, reason, detail, node, node_load,
       started_at, ended_at, stop_at, start_by, exit_code, lateness_ms, is_held, desired_stop
FROM rota_scheduler.jobs WHERE job_id IN %(jobs)s;

-- name: show_job
-- One job.
SELECT job_id, instance_id, due, ordinal, version, attempt, state, reason, detail, node, node_load,
       started_at, ended_at, stop_at, start_by, exit_code, lateness_ms, is_held, desired_stop
FROM rota_scheduler.jobs WHERE job_id = %(job_id)s;

-- name: job_events
-- What became of a job, oldest first.
SELECT event_id, attempt, at, from_state, to_state, reason, detail
FROM rota_scheduler.job_events WHERE job_id = %(job_id)s ORDER BY event_id LIMIT 1000;

-- name: job_edges
-- What a job waits for, and what became of it.
SELECT e.parent_instance, e.ends, e.parent_due, p.state
FROM rota_scheduler.edges AS e
LEFT JOIN rota_scheduler.jobs AS p ON p.instance_id = e.parent_instance AND p.due = e.parent_due
WHERE e.job_id = %(job_id)s;

-- name: attempts_of
-- A job's attempts: where each was placed, and why there.
SELECT attempt, state, node, epoch, node_load, reason, detail, exit_code, placed_at, started_at,
       ended_at, why_not, explanation, kill_failed
FROM rota_deployer.deployments WHERE job_id = %(job_id)s ORDER BY attempt;

-- name: upcoming
-- What is due next, of schedules that are active.
SELECT instance_id, version, spec, next_due, next_stop FROM rota_scheduler.schedules
WHERE state = 'active' AND next_due IS NOT NULL AND (%(instance)s IS NULL OR instance_id = %(instance)s)
ORDER BY next_due, instance_id LIMIT %(limit)s;

-- name: existing_jobs
-- Which of these the ledger has already.
SELECT job_id FROM rota_scheduler.jobs WHERE job_id IN %(jobs)s;

-- name: all_nodes
-- Every node, as the node manager has it.
SELECT node_id, state, wish, address, log_port, labels, cpus, memory_bytes, last_heartbeat, since,
       reason
FROM rota_nodes.nodes ORDER BY node_id;

-- name: node_address
-- Where a node's client answers.
SELECT node_id, address, log_port FROM rota_nodes.nodes WHERE node_id = %(node)s;

-- name: jobs_on_nodes
-- How many jobs are on each node.
SELECT node, COUNT(*) AS jobs FROM rota_deployer.deployments
WHERE state IN ('STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN') AND node IS NOT NULL GROUP BY node;

-- name: standalones
-- Who has a node for itself.
SELECT node, job_id FROM rota_deployer.standalone_reservations;

-- name: newest_event
-- Where the ledger's events end.
SELECT MAX(event_id) AS event_id FROM rota_scheduler.job_events;

-- name: events_after
-- Changes of jobs' states after an event, with the jobs as they are now.
SELECT e.event_id, e.at, e.attempt AS event_attempt, e.from_state, e.to_state,
       e.reason AS event_reason, e.detail AS event_detail,
       j.job_id, j.instance_id, j.due, j.ordinal, j.version, j.attempt, j.state, j.reason, j.detail,
       j.node, j.node_load, j.started_at, j.ended_at, j.stop_at, j.start_by, j.exit_code,
       j.lateness_ms, j.is_held, j.desired_stop
FROM rota_scheduler.job_events AS e JOIN rota_scheduler.jobs AS j ON j.job_id = e.job_id
WHERE e.event_id > %(after)s ORDER BY e.event_id LIMIT %(limit)s;

-- name: changed_instances
-- Instances changed after a moment.
SELECT instance_id, updated_at FROM instances WHERE updated_at > %(since)s
ORDER BY updated_at LIMIT %(limit)s;

-- name: position
-- How far something was read.
SELECT position FROM positions WHERE name = %(name)s;

-- name: set_position
-- It was read so far.
INSERT INTO positions (name, position) VALUES (%(name)s, %(position)s)
ON DUPLICATE KEY UPDATE position = VALUES(position);

-- name: add_notices
-- Something that somebody is to be told; once for each event, kind and channel.
INSERT IGNORE INTO notices (event_id, job_id, kind, channel, source, url, body, state, next_try_at,
                            created_at)
VALUES (%(event_id)s, %(job_id)s, %(kind)s, %(channel)s, %(source)s, %(url)s, %(body)s, 'waiting',
        UTC_TIMESTAMP(6), UTC_TIMESTAMP(6));

-- name: due_notices
-- What is to be sent now by one way.
SELECT notice_id, job_id, kind, url, body, tries FROM notices
WHERE state = 'waiting' AND next_try_at <= UTC_TIMESTAMP(6) AND channel = %(channel)s
ORDER BY next_try_at LIMIT %(limit)s;

-- name: mark_notice
-- What became of a try.
UPDATE notices SET state = %(state)s, tries = %(tries)s, error = %(error)s,
    next_try_at = UTC_TIMESTAMP(6) + INTERVAL %(wait_s)s SECOND
WHERE notice_id = %(notice_id)s;

-- name: forget_notices
-- What was told, or given up, long ago. Events that are read again keep theirs: else told twice.
DELETE FROM notices
WHERE state <> 'waiting' AND event_id < %(before)s
  AND created_at < UTC_TIMESTAMP(6) - INTERVAL %(keep_s)s SECOND LIMIT 1000;

-- name: list_notices
-- Notices, newest first.
SELECT notice_id, event_id, job_id, kind, channel, source, url, state, tries, next_try_at, error,
       created_at
FROM notices WHERE notice_id < %(before)s ORDER BY notice_id DESC LIMIT %(limit)s;

-- name: give_up_notices
-- What still waits for a channel that is no more.
UPDATE notices SET state = 'given_up', error = %(error)s
WHERE source = %(source)s AND state = 'waiting';

-- name: all_channels
-- Whom to tell of whatever instance.
SELECT name, url, kinds, created_by, created_at FROM channels ORDER BY name;

-- name: add_channel
-- A channel of a new name.
INSERT INTO channels (name, url, kinds, created_by, created_at)
VALUES (%(name)s, %(url)s, %(kinds)s, %(actor)s, UTC_TIMESTAMP(6));

-- name: delete_channel
-- Tell it nothing more.
DELETE FROM channels WHERE name = %(name)s;

-- name: specs_with_notify
-- Instances whose schedule file names whom to tell.
SELECT instance_id, spec FROM instances
WHERE NOT deleted AND JSON_EXTRACT(spec, '$.notify.on') IS NOT NULL;

-- name: job_before
-- How the last due time before this one ended.
SELECT state FROM rota_scheduler.jobs
WHERE instance_id = %(instance_id)s AND due < %(due)s
ORDER BY due DESC, ordinal LIMIT 1;
