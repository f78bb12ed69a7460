-- What the dashboard reads; it writes nothing. What people do goes through the API.

-- name: live_counts
-- How many jobs are in each live state.
SELECT state, COUNT(*) AS jobs FROM rota_scheduler.jobs
WHERE state IN %(states)s GROUP BY state;

-- name: late_now
-- Jobs that are due for over a minute and do not run yet.
SELECT COUNT(*) AS jobs FROM rota_scheduler.jobs
WHERE state IN ('WAITING', 'QUEUED', 'STARTING') AND due < %(before)s;

-- name: outcomes_by_hour
-- How the jobs of the last day ended, by the hour in which they were due: from the index on states.
SELECT FLOOR(TIMESTAMPDIFF(SECOND, %(since)s, due) / 3600) AS hour, state, COUNT(*) AS jobs,
       SUM(lateness_ms > 60000) AS late
FROM rota_scheduler.jobs WHERE state IN %(states)s AND due >= %(since)s AND due < %(until)s
GROUP BY 1, 2;

-- name: due_soon
-- How many schedules are due within a while.
SELECT COUNT(*) AS schedules FROM rota_scheduler.schedules
WHERE state = 'active' AND next_due >= %(now)s AND next_due < %(until)s;

-- name: running_jobs
-- What runs now, the soonest to stop first.
SELECT job_id, instance_id, due, ordinal, attempt, state, reason, node, started_at, stop_at, lateness_ms
FROM rota_scheduler.jobs
WHERE state IN ('STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
ORDER BY stop_at IS NULL, stop_at, job_id LIMIT %(limit)s;

-- name: soonest_schedules
-- The schedules that are due next.
SELECT instance_id, version, spec, next_due, next_stop FROM rota_scheduler.schedules
WHERE state = 'active' AND next_due >= %(now)s ORDER BY next_due, instance_id LIMIT %(limit)s;

-- name: shards
-- Who holds which shard now.
SELECT owner, COUNT(*) AS shards FROM rota_scheduler.shards
WHERE expires_at > %(now)s GROUP BY owner;

-- name: newest_ids
-- A page of the ledger, newest due first, of one state or any. NULL in a filter means: any (the server
-- folds it away).
SELECT job_id, due FROM rota_scheduler.jobs
WHERE (%(state)s IS NULL OR state = %(state)s)
  AND (%(instance)s IS NULL OR instance_id = %(instance)s)
  AND (%(pattern)s IS NULL OR instance_id LIKE %(pattern)s)
  AND (%(node)s IS NULL OR node = %(node)s)
  AND (%(late_ms)s IS NULL OR lateness_ms > %(late_ms)s)
  AND (%(since)s IS NULL OR due >= %(since)s)
  AND (%(due)s IS NULL OR due <= %(due)s AND (due < %(due)s OR job_id < %(job_id)s))
ORDER BY due DESC, job_id DESC LIMIT %(limit)s;

-- name: newest_ids_in_state
-- The same where only the state is asked for. It names no column that by_state_due has not: MariaDB
-- reads an index alone only then, and without it walks a whole state to reach a page.
SELECT job_id, due FROM rota_scheduler.jobs
WHERE state = %(state)s
  AND (%(late_ms)s IS NULL OR lateness_ms > %(late_ms)s)
  AND (%(since)s IS NULL OR due >= %(since)s)
  AND (%(due)s IS NULL OR due <= %(due)s AND (due < %(due)s OR job_id < %(job_id)s))
ORDER BY due DESC, job_id DESC LIMIT %(limit)s;

-- name: jobs_by_id
-- Some jobs of the ledger.
SELECT job_id, instance_id, due, ordinal, attempt, state, reason, detail, node, started_at, ended_at,
       stop_at, exit_code, lateness_ms, count, until
FROM rota_scheduler.jobs WHERE job_id IN %(jobs)s;

-- name: instances_like
-- The first instances whose id has a word in it, deleted ones too.
SELECT instance_id FROM rota_app.instances WHERE instance_id LIKE %(pattern)s
ORDER BY instance_id LIMIT %(limit)s;

-- name: one_job
-- One job as the ledger has it.
SELECT job_id, instance_id, due, ordinal, version, attempt, state, reason, detail, node, node_load,
       started_at, ended_at, stop_at, start_by, exit_code, lateness_ms, is_held, is_published,
       desired_stop, kills_sent, count, until, created_at
FROM rota_scheduler.jobs WHERE job_id = %(job_id)s;

-- name: events_of_job
-- What became of a job, oldest first.
SELECT event_id, attempt, at, from_state, to_state, reason, detail
FROM rota_scheduler.job_events WHERE job_id = %(job_id)s ORDER BY event_id LIMIT 500;

-- name: edges_of_job
-- What a job waits for, and what became of it.
SELECT e.parent_instance, e.ends, e.parent_due, p.job_id, p.state
FROM rota_scheduler.edges AS e
LEFT JOIN rota_scheduler.jobs AS p ON p.instance_id = e.parent_instance AND p.due = e.parent_due
WHERE e.job_id = %(job_id)s ORDER BY e.parent_instance, p.ordinal;

-- name: attempts_of_job
-- A job's attempts: where each was placed and why there, or why nowhere.
SELECT attempt, state, node, epoch, node_load, reason, detail, exit_code, placed_at, started_at,
       ended_at, why_not, explanation, kill_failed
FROM rota_deployer.deployments WHERE job_id = %(job_id)s ORDER BY attempt DESC LIMIT 50;

-- name: neighbours_before
-- The job of the same instance before this one.
SELECT job_id FROM rota_scheduler.jobs
WHERE instance_id = %(instance)s AND (due < %(due)s OR (due = %(due)s AND ordinal < %(ordinal)s))
ORDER BY due DESC, ordinal DESC LIMIT 1;

-- name: neighbours_after
-- The job of the same instance after this one.
SELECT job_id FROM rota_scheduler.jobs
WHERE instance_id = %(instance)s AND (due > %(due)s OR (due = %(due)s AND ordinal > %(ordinal)s))
ORDER BY due, ordinal LIMIT 1;

-- name: list_instances
-- A page of instances by id, with what the scheduler knows of them.
SELECT i.instance_id, i.version, i.spec, i.paused, i.paused_by, i.pause_reason, i.applied_at,
       s.next_due, s.next_stop, s.version AS taken_version
FROM rota_app.instances AS i
LEFT JOIN rota_scheduler.schedules AS s ON s.instance_id = i.instance_id
WHERE NOT i.deleted AND i.instance_id > %(after)s
  AND (%(pattern)s IS NULL OR i.instance_id LIKE %(pattern)s)
  AND (%(is_paused)s IS NULL OR i.paused = %(is_paused)s)
ORDER BY i.instance_id LIMIT %(limit)s;

-- name: count_instances
-- How many there are, and how many are paused.
SELECT COUNT(*) AS instances, COALESCE(SUM(paused), 0) AS paused
FROM rota_app.instances WHERE NOT deleted;

-- name: one_instance
-- One instance, deleted ones too.
SELECT i.instance_id, i.version, i.spec, i.image, i.command, i.paused, i.deleted, i.paused_by,
       i.pause_reason, i.applied_at, i.applied_by, s.next_due, s.next_stop, s.state AS schedule_state,
       s.version AS taken_version
FROM rota_app.instances AS i
LEFT JOIN rota_scheduler.schedules AS s ON s.instance_id = i.instance_id
WHERE i.instance_id = %(instance)s;

-- name: last_jobs
-- The newest jobs of some instances, at most so many of each, oldest first.
SELECT job_id, instance_id, due, ordinal, attempt, state, reason, detail, node, started_at, ended_at,
       stop_at, exit_code, lateness_ms, count, until
FROM (SELECT jobs.*, ROW_NUMBER() OVER (PARTITION BY instance_id ORDER BY due DESC, ordinal DESC)
             AS place
      FROM rota_scheduler.jobs WHERE instance_id IN %(instances)s AND due >= %(since)s) AS numbered
WHERE place <= %(each)s ORDER BY instance_id, due, ordinal;

-- name: versions_of
-- The history of an instance, newest first.
SELECT version, spec, image, command, change_kind, applied_by, applied_at
FROM rota_app.versions WHERE instance_id = %(instance)s ORDER BY version DESC LIMIT 100;

-- name: all_edges
-- Who depends on whom: the specs that name parents.
SELECT instance_id, JSON_EXTRACT(spec, '$.depends_on') AS depends_on FROM rota_app.instances
WHERE NOT deleted AND JSON_EXTRACT(spec, '$.depends_on') IS NOT NULL;

-- name: all_nodes
-- Every node, with how many jobs it has and who has it for itself.
SELECT n.node_id, n.state, n.wish, n.address, n.log_port, n.labels, n.cpus, n.memory_bytes,
       n.last_heartbeat, n.since, n.reason, COALESCE(d.jobs, 0) AS jobs, r.job_id AS standalone_job
FROM rota_nodes.nodes AS n
LEFT JOIN (SELECT node, COUNT(*) AS jobs FROM rota_deployer.deployments
           WHERE state IN ('STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN') GROUP BY node) AS d
       ON d.node = n.node_id
LEFT JOIN rota_deployer.standalone_reservations AS r ON r.node = n.node_id
ORDER BY n.node_id;

-- name: jobs_on_node
-- What is on one node.
SELECT job_id, attempt, state, placed_at, started_at FROM rota_deployer.deployments
WHERE node = %(node)s AND state IN ('STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN')
ORDER BY placed_at LIMIT 200;

-- name: list_audit
-- What was done, newest first.
SELECT audit_id, at, actor, action, target, detail FROM rota_app.audit
WHERE (%(before)s IS NULL OR audit_id < %(before)s)
  AND (%(actor)s IS NULL OR actor = %(actor)s)
  AND (%(target)s IS NULL OR target LIKE %(target)s)
ORDER BY audit_id DESC LIMIT %(limit)s;

-- name: list_users
-- Everyone who may log in.
SELECT name, role, is_disabled, created_at FROM rota_app.users ORDER BY name;

-- name: list_tokens
-- API tokens, never the secret itself; what each was made with is in the audit.
SELECT t.token_id, t.name, t.role, t.created_by, t.created_at, t.last_used_at,
       (SELECT a.detail FROM rota_app.audit AS a WHERE a.target = t.name AND a.action = 'token.add'
        ORDER BY a.audit_id DESC LIMIT 1) AS made
FROM rota_app.tokens AS t ORDER BY t.name;

-- name: all_channels
-- Whom to tell of whatever instance.
SELECT name, url, kinds, created_by, created_at FROM rota_app.channels ORDER BY name;

-- name: specs_with_notify
-- Instances whose schedule file names whom to tell.
SELECT instance_id, spec FROM rota_app.instances
WHERE NOT deleted AND JSON_EXTRACT(spec, '$.notify.on') IS NOT NULL;

-- name: list_notices
-- Notices, newest first.
SELECT notice_id, event_id, job_id, kind, channel, source, url, state, tries, next_try_at, error,
       created_at
FROM rota_app.notices WHERE notice_id < %(before)s ORDER BY notice_id DESC LIMIT %(limit)s;

-- name: timeline_rows
-- The instances of the timeline, in order.
SELECT instance_id, paused FROM rota_app.instances
WHERE NOT deleted AND (%(pattern)s IS NULL OR instance_id LIKE %(pattern)s)
ORDER BY instance_id LIMIT 20000;

-- name: timeline_jobs
-- What is to be drawn of some instances in a window: due in it, or still running into it.
SELECT job_id, instance_id, due, ordinal, state, reason, node, started_at, ended_at, stop_at,
       lateness_ms, count, until
FROM rota_scheduler.jobs
WHERE instance_id IN %(instances)s AND due >= %(since)s AND due < %(until)s
ORDER BY instance_id, due LIMIT %(limit)s;

-- name: timeline_bins
-- The same, counted: for windows with more jobs than pixels.
SELECT instance_id, FLOOR(TIMESTAMPDIFF(SECOND, %(since)s, due) / %(bin_s)s) AS bin, state,
       COUNT(*) AS jobs, SUM(lateness_ms > 60000) AS late
FROM rota_scheduler.jobs
WHERE instance_id IN %(instances)s AND due >= %(since)s AND due < %(until)s
GROUP BY 1, 2, 3;

-- name: timeline_count
-- How many jobs a window has.
SELECT COUNT(*) AS jobs FROM rota_scheduler.jobs
WHERE instance_id IN %(instances)s AND due >= %(since)s AND due < %(until)s;

-- name: timeline_node_jobs
-- What ran on some nodes in a window.
SELECT job_id, instance_id, due, ordinal, state, reason, node, started_at, ended_at, stop_at,
       lateness_ms, count, until
FROM rota_scheduler.jobs
WHERE due >= %(since)s AND due < %(until)s AND node IN %(nodes)s
ORDER BY node, due LIMIT %(limit)s;

-- name: timeline_schedules
-- The schedules of some instances, for what is planned.
SELECT instance_id, spec, state, next_due FROM rota_scheduler.schedules
WHERE instance_id IN %(instances)s AND state = 'active';

-- name: all_schedules
-- Every schedule in force, for the curve of planned concurrency.
SELECT instance_id, spec, next_due FROM rota_scheduler.schedules
WHERE state = 'active' AND next_due IS NOT NULL;

-- name: typical_lengths
-- How long jobs of each instance ran lately, in seconds: of the newest rows alone, by their index,
-- so that a long ledger costs no more than a short one.
SELECT instance_id, AVG(TIMESTAMPDIFF(SECOND, started_at, ended_at)) AS seconds
FROM (SELECT instance_id, started_at, ended_at FROM rota_scheduler.jobs
      WHERE due >= %(since)s AND due <= %(now)s ORDER BY due DESC LIMIT %(limit)s) AS newest
WHERE started_at IS NOT NULL AND ended_at IS NOT NULL GROUP BY instance_id;

-- name: past_load
-- What ran in a window, summed by the steps in which jobs began and ended: how many, the CPUs they ask
-- for, and both weighted with how far into its step each began and ended. Exact, in few rows.
SELECT first_step, last_step, COUNT(*) AS jobs, SUM(begin_part) AS jobs_begin,
       SUM(end_part) AS jobs_end, SUM(cpus) AS cpus, SUM(cpus * begin_part) AS cpus_begin,
       SUM(cpus * end_part) AS cpus_end
FROM (SELECT FLOOR(began) AS first_step, FLOOR(ended) AS last_step, began - FLOOR(began) AS begin_part,
             ended - FLOOR(ended) AS end_part, cpus
      FROM (SELECT TIMESTAMPDIFF(SECOND, %(since)s, j.started_at) / %(step_s)s AS began,
                   TIMESTAMPDIFF(SECOND, %(since)s, COALESCE(j.ended_at, %(now)s)) / %(step_s)s AS ended,
                   COALESCE(JSON_EXTRACT(i.spec, '$.cpus'), %(default_cpus)s) + 0.0 AS cpus
            FROM rota_scheduler.jobs AS j
            LEFT JOIN rota_app.instances AS i ON i.instance_id = j.instance_id
            WHERE j.due >= %(earliest)s AND j.due < %(until)s AND j.started_at IS NOT NULL
              AND COALESCE(j.ended_at, %(now)s) >= %(since)s) AS spans) AS steps
GROUP BY first_step, last_step;


-- name: zones_of
-- The time zones of some instances; NULL is UTC.
SELECT instance_id, JSON_UNQUOTE(JSON_EXTRACT(spec, '$.timezone')) AS zone
FROM rota_app.instances WHERE instance_id IN %(instances)s;

-- name: busy_nodes
-- The jobs that run or have stopped lately on one node.
SELECT job_id, instance_id, due, ordinal, attempt, state, reason, detail, node, started_at, ended_at,
       stop_at, exit_code, lateness_ms, count, until
FROM rota_scheduler.jobs
WHERE node = %(node)s AND due >= %(since)s ORDER BY due DESC LIMIT %(limit)s;

-- name: specs_of
-- Some instances as stored, to compare a plan with.
SELECT instance_id, spec, image FROM rota_app.instances WHERE instance_id IN %(instances)s;
