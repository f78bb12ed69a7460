-- What the simulation says to the databases beside the services: an observer reads.

-- name: live_jobs
SELECT job_id, instance_id FROM jobs
WHERE state IN ('WAITING', 'QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN') ORDER BY job_id;

-- name: jobs
SELECT * FROM jobs ORDER BY job_id;

-- name: moves
SELECT job_id, from_state, to_state FROM job_events ORDER BY event_id;

-- name: schedules
SELECT instance_id FROM schedules;

-- name: versions
SELECT instance_id, version, spec, change_kind, applied_at FROM versions ORDER BY instance_id, version;

-- name: asked
SELECT r.request_key, r.kind, r.instance_id, r.job_id, r.due, r.requested_at, h.outcome, h.detail
FROM job_requests AS r LEFT JOIN rota_scheduler.handled_requests AS h ON h.request_id = r.request_id
ORDER BY r.request_id;

-- name: pauses
SELECT at, action, target FROM audit WHERE action IN ('instance.pause', 'instance.resume')
ORDER BY audit_id;
