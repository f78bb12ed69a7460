-- What the simulation says to the databases beside the services: the configurer and the observer.

-- name: make_instances
CREATE TABLE IF NOT EXISTS instances (
    instance_id VARCHAR(62) NOT NULL PRIMARY KEY,
    version INT NOT NULL,
    spec JSON NOT NULL,
    image VARCHAR(255) NOT NULL,
    command JSON NOT NULL,
    paused BOOLEAN NOT NULL DEFAULT FALSE,
    deleted BOOLEAN NOT NULL DEFAULT FALSE,
    applied_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    applied_by VARCHAR(64) NOT NULL
);

-- name: make_requests
CREATE TABLE IF NOT EXISTS job_requests (
    request_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(16) NOT NULL,
    instance_id VARCHAR(62) NOT NULL,
    job_id VARCHAR(120) NULL,
    due DATETIME(6) NULL,
    forced BOOLEAN NOT NULL DEFAULT FALSE,
    requested_by VARCHAR(64) NOT NULL,
    requested_at DATETIME(6) NOT NULL
);

-- name: make_node_requests
CREATE TABLE IF NOT EXISTS node_requests (
    request_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    node_id VARCHAR(64) NOT NULL,
    wish VARCHAR(16) NOT NULL,
    requested_by VARCHAR(64) NOT NULL,
    requested_at DATETIME(6) NOT NULL
);

-- name: apply
INSERT INTO instances (instance_id, version, spec, image, command, applied_at, updated_at, applied_by)
VALUES (%(instance_id)s, 1, %(spec)s, %(image)s, %(command)s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6),
        'simulation');

-- name: request
INSERT INTO job_requests (kind, instance_id, job_id, requested_by, requested_at)
VALUES (%(kind)s, %(instance_id)s, %(job_id)s, 'simulation', UTC_TIMESTAMP(6));

-- name: live_jobs
SELECT job_id, instance_id FROM jobs
WHERE state IN ('WAITING', 'QUEUED', 'STARTING', 'RUNNING', 'STOPPING', 'UNKNOWN') ORDER BY job_id;

-- name: jobs
SELECT * FROM jobs ORDER BY job_id;

-- name: moves
SELECT job_id, from_state, to_state FROM job_events ORDER BY event_id;

-- name: schedules
SELECT instance_id FROM schedules;

-- name: deployments
SELECT * FROM deployments;
