-- The scheduler's truth: who holds which shard, what is due next, and what became of every due time.
CREATE TABLE IF NOT EXISTS shards (
    shard TINYINT NOT NULL PRIMARY KEY,
    owner VARCHAR(64) NOT NULL DEFAULT '',
    epoch BIGINT NOT NULL DEFAULT 0,
    expires_at DATETIME(6) NOT NULL DEFAULT '2000-01-01 00:00:00'
) ENGINE=InnoDB;

INSERT IGNORE INTO shards (shard) VALUES
    (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15);

-- Who shares the work: a replica that was not seen for a lease's length counts no more.
CREATE TABLE IF NOT EXISTS replicas (
    replica VARCHAR(64) NOT NULL PRIMARY KEY,
    expires_at DATETIME(6) NOT NULL
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS schedules (
    instance_id VARCHAR(62) NOT NULL PRIMARY KEY,
    shard TINYINT NOT NULL,
    version INT NOT NULL,
    spec JSON NOT NULL,
    image VARCHAR(255) NOT NULL,
    command JSON NOT NULL,
    state VARCHAR(16) NOT NULL,
    priority TINYINT NOT NULL DEFAULT 50,
    next_due DATETIME(6) NULL,
    next_stop DATETIME(6) NULL,
    applied_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    -- all that the agenda is filled from, in its order
    INDEX by_next_due (next_due, instance_id, shard, priority)
) ENGINE=InnoDB;

-- What live jobs of versions before the present one are started from.
CREATE TABLE IF NOT EXISTS past_versions (
    instance_id VARCHAR(62) NOT NULL,
    version INT NOT NULL,
    spec JSON NOT NULL,
    image VARCHAR(255) NOT NULL,
    command JSON NOT NULL,
    PRIMARY KEY (instance_id, version)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS dependencies (
    parent_instance VARCHAR(62) NOT NULL,
    child_instance VARCHAR(62) NOT NULL,
    PRIMARY KEY (parent_instance, child_instance),
    INDEX by_child (child_instance)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS jobs (
    job_id VARCHAR(120) NOT NULL PRIMARY KEY,
    instance_id VARCHAR(62) NOT NULL,
    due DATETIME(6) NOT NULL,
    ordinal INT NOT NULL,
    shard TINYINT NOT NULL,
    version INT NOT NULL,
    attempt INT NOT NULL DEFAULT 1,
    state VARCHAR(16) NOT NULL,
    reason VARCHAR(16) NULL,
    detail VARCHAR(500) NULL,
    node VARCHAR(64) NULL,
    node_load DOUBLE NULL,
    stop_at DATETIME(6) NULL,
    start_by DATETIME(6) NOT NULL,
    not_before DATETIME(6) NOT NULL,
    started_at DATETIME(6) NULL,
    ended_at DATETIME(6) NULL,
    exit_code INT NULL,
    lateness_ms BIGINT NULL,
    count INT NOT NULL DEFAULT 1,
    until DATETIME(6) NULL,
    revision INT NOT NULL DEFAULT 0,
    is_held BOOLEAN NOT NULL DEFAULT FALSE,
    is_manual BOOLEAN NOT NULL DEFAULT FALSE,
    is_published BOOLEAN NOT NULL DEFAULT FALSE,
    stop_reason VARCHAR(16) NULL,
    desired_stop VARCHAR(16) NULL,
    kills_sent INT NOT NULL DEFAULT 0,
    kill_sent_at DATETIME(6) NULL,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    UNIQUE KEY job_key (instance_id, due, ordinal),
    INDEX by_due (due, job_id),
    INDEX by_shard_state (shard, state, is_published),
    INDEX by_instance_state (instance_id, state)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS job_events (
    event_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job_id VARCHAR(120) NOT NULL,
    attempt INT NOT NULL,
    at DATETIME(6) NOT NULL,
    from_state VARCHAR(16) NULL,
    to_state VARCHAR(16) NOT NULL,
    reason VARCHAR(16) NULL,
    detail VARCHAR(500) NULL,
    INDEX by_job (job_id, event_id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS edges (
    job_id VARCHAR(120) NOT NULL,
    parent_instance VARCHAR(62) NOT NULL,
    ends VARCHAR(8) NOT NULL,
    parent_due DATETIME(6) NULL,
    PRIMARY KEY (job_id, parent_instance),
    INDEX by_parent (parent_instance, parent_due)
) ENGINE=InnoDB;

-- What became of people's requests; `outcome` is done or refused, `detail` says why or which job.
CREATE TABLE IF NOT EXISTS handled_requests (
    request_id BIGINT NOT NULL PRIMARY KEY,
    outcome VARCHAR(16) NOT NULL DEFAULT 'done',
    detail VARCHAR(500) NULL,
    handled_at DATETIME(6) NOT NULL
) ENGINE=InnoDB;
