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

-- name: applied
SELECT instance_id, applied_at FROM instances;
