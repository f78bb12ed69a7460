-- The job -> node map: one row per attempt, kept after its end as its tombstone.
CREATE TABLE IF NOT EXISTS deployments (
    job_id VARCHAR(120) NOT NULL,
    attempt INT NOT NULL,
    state VARCHAR(16) NOT NULL,
    revision INT NOT NULL,
    epoch INT NOT NULL DEFAULT 0,
    node VARCHAR(64) NULL,
    command MEDIUMTEXT NULL,
    desired_stop VARCHAR(16) NULL,
    reason VARCHAR(16) NULL,
    detail VARCHAR(500) NULL,
    exit_code INT NULL,
    node_load DOUBLE NULL,
    placed_at DATETIME(6) NULL,
    started_at DATETIME(6) NULL,
    ended_at DATETIME(6) NULL,
    why_not MEDIUMTEXT NULL,
    explanation MEDIUMTEXT NULL,
    kill_failed BOOLEAN NOT NULL DEFAULT FALSE,
    stops_sent INT NOT NULL DEFAULT 0,
    is_commanded BOOLEAN NOT NULL DEFAULT FALSE,
    is_moving BOOLEAN NOT NULL DEFAULT FALSE,
    avoid VARCHAR(64) NULL,
    told_revision INT NOT NULL DEFAULT 0,
    updated_at DATETIME(6) NOT NULL,
    PRIMARY KEY (job_id, attempt),
    INDEX by_state (state),
    INDEX by_node (node, state)
) ENGINE=InnoDB;

-- Who has a node for itself: UNIQUE(node), taken in the placing transaction (G8).
CREATE TABLE IF NOT EXISTS standalone_reservations (
    node VARCHAR(64) NOT NULL PRIMARY KEY,
    job_id VARCHAR(120) NOT NULL,
    attempt INT NOT NULL
) ENGINE=InnoDB;

-- Who leads. Every writing transaction renews this row under its epoch, so that one replica writes.
CREATE TABLE IF NOT EXISTS leaders (
    name VARCHAR(32) NOT NULL PRIMARY KEY,
    owner VARCHAR(64) NOT NULL DEFAULT '',
    epoch BIGINT NOT NULL DEFAULT 0,
    expires_at DATETIME(6) NOT NULL DEFAULT '2000-01-01 00:00:00'
) ENGINE=InnoDB;

INSERT IGNORE INTO leaders (name) VALUES ('deployment_manager');

-- Nodes that get nothing new, and why: a kill that failed there, until an operator uncordons.
CREATE TABLE IF NOT EXISTS cordons (
    node VARCHAR(64) NOT NULL PRIMARY KEY,
    reason VARCHAR(500) NOT NULL,
    since DATETIME(6) NOT NULL
) ENGINE=InnoDB;
