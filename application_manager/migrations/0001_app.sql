-- What people want to run: applications, instances and their schedules' versions; and who may want.
CREATE TABLE IF NOT EXISTS applications (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    image VARCHAR(255) NOT NULL,
    command JSON NOT NULL,
    description VARCHAR(500) NOT NULL DEFAULT '',
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL
) ENGINE=InnoDB;

-- Read by the scheduler (scheduler/queries.sql): instance_id .. updated_at are its contract.
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
    applied_by VARCHAR(64) NOT NULL,
    paused_by VARCHAR(64) NULL,
    pause_reason VARCHAR(500) NULL,
    INDEX by_updated (updated_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS versions (
    instance_id VARCHAR(62) NOT NULL,
    version INT NOT NULL,
    spec JSON NOT NULL,
    image VARCHAR(255) NOT NULL,
    command JSON NOT NULL,
    change_kind VARCHAR(16) NOT NULL,
    applied_by VARCHAR(64) NOT NULL,
    applied_at DATETIME(6) NOT NULL,
    PRIMARY KEY (instance_id, version)
) ENGINE=InnoDB;

-- What people ask of jobs; the scheduler reads it and remembers what it has carried out.
CREATE TABLE IF NOT EXISTS job_requests (
    request_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    request_key CHAR(32) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    instance_id VARCHAR(62) NOT NULL,
    job_id VARCHAR(120) NULL,
    due DATETIME(6) NULL,
    forced BOOLEAN NOT NULL DEFAULT FALSE,
    requested_by VARCHAR(64) NOT NULL,
    requested_at DATETIME(6) NOT NULL,
    UNIQUE KEY by_key (request_key),
    INDEX by_requested (requested_at)
) ENGINE=InnoDB;

-- What people ask of nodes (DRAINING, DRAINING:move, DRAINING:force, REMOVED or empty); the node
-- manager reads it.
CREATE TABLE IF NOT EXISTS node_requests (
    request_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    node_id VARCHAR(64) NOT NULL,
    wish VARCHAR(16) NOT NULL,
    requested_by VARCHAR(64) NOT NULL,
    requested_at DATETIME(6) NOT NULL,
    INDEX by_node (node_id, request_id)
) ENGINE=InnoDB;

-- Instance ids that app.instances does not have for certain yet.
CREATE TABLE IF NOT EXISTS outbox (
    outbox_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    instance_id VARCHAR(62) NOT NULL,
    created_at DATETIME(6) NOT NULL
) ENGINE=InnoDB;

-- Answers already given, so that an upload sent twice takes effect once (G1).
CREATE TABLE IF NOT EXISTS idempotency_keys (
    actor VARCHAR(64) NOT NULL,
    idempotency_key VARCHAR(128) NOT NULL,
    request_hash CHAR(64) NOT NULL,
    response MEDIUMTEXT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (actor, idempotency_key),
    INDEX by_created (created_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS users (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    password_hash VARCHAR(255) NOT NULL,
    role VARCHAR(16) NOT NULL,
    is_disabled BOOLEAN NOT NULL DEFAULT FALSE,
    created_at DATETIME(6) NOT NULL
) ENGINE=InnoDB;

-- API tokens; only their SHA-256 is kept (they are 256 random bits, so no salt is needed).
CREATE TABLE IF NOT EXISTS tokens (
    token_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    token_hash CHAR(64) NOT NULL,
    role VARCHAR(16) NOT NULL,
    created_by VARCHAR(64) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    last_used_at DATETIME(6) NULL,
    UNIQUE KEY by_name (name),
    UNIQUE KEY by_hash (token_hash)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS sessions (
    session_hash CHAR(64) NOT NULL PRIMARY KEY,
    user_name VARCHAR(64) NOT NULL,
    csrf_token VARCHAR(64) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    INDEX by_user (user_name),
    INDEX by_expiry (expires_at)
) ENGINE=InnoDB;

-- Failed logins by user and by address: each failure doubles the wait before the next try.
CREATE TABLE IF NOT EXISTS login_failures (
    subject VARCHAR(128) NOT NULL PRIMARY KEY,
    failures INT NOT NULL,
    last_at DATETIME(6) NOT NULL
) ENGINE=InnoDB;

-- Who did what; rows are only ever added.
CREATE TABLE IF NOT EXISTS audit (
    audit_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at DATETIME(6) NOT NULL,
    actor VARCHAR(64) NOT NULL,
    action VARCHAR(32) NOT NULL,
    target VARCHAR(128) NOT NULL,
    detail TEXT NULL,
    INDEX by_target (target, audit_id)
) ENGINE=InnoDB;

-- How far this service has read of another's append-only table.
CREATE TABLE IF NOT EXISTS positions (
    name VARCHAR(32) NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
) ENGINE=InnoDB;

-- What webhooks are to be told: waiting, sent or given_up. One for each event and kind.
CREATE TABLE IF NOT EXISTS notices (
    notice_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    event_id BIGINT NOT NULL,
    job_id VARCHAR(120) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    url VARCHAR(2000) NOT NULL,
    body TEXT NOT NULL,
    state VARCHAR(16) NOT NULL,
    tries INT NOT NULL DEFAULT 0,
    next_try_at DATETIME(6) NOT NULL,
    error VARCHAR(500) NULL,
    created_at DATETIME(6) NOT NULL,
    UNIQUE KEY by_event (event_id, kind),
    INDEX by_state (state, next_try_at)
) ENGINE=InnoDB;
