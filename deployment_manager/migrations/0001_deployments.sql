-- The job -> node map: one row per attempt, kept after its end as its tombstone.
CREATE TABLE IF NOT EXISTS deployments (
    job_id VARCHAR(120) NOT NULL,
    attempt INT NOT NULL,
    state VARCHAR(16) NOT NULL,
    revision INT NOT NULL,
    epoch INT NOT NULL DEFAULT 0,
    node VARCHAR(64) NULL,
    command JSON NULL,
    desired_stop VARCHAR(16) NULL,
    reason VARCHAR(16) NULL,
    detail VARCHAR(500) NULL,
    exit_code INT NULL,
    node_load DOUBLE NULL,
    placed_at DATETIME(6) NULL,
    started_at DATETIME(6) NULL,
    ended_at DATETIME(6) NULL,
    why_not JSON NULL,
    explanation JSON NULL,
    kill_failed BOOLEAN NOT NULL DEFAULT FALSE,
    stops_sent INT NOT NULL DEFAULT 0,
    stop_sent_at DATETIME(6) NULL,
    is_commanded BOOLEAN NOT NULL DEFAULT FALSE,
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

-- One row per node, locked while a job is placed there: two replicas cannot both find it empty.
CREATE TABLE IF NOT EXISTS placement_locks (
    node VARCHAR(64) NOT NULL PRIMARY KEY
) ENGINE=InnoDB;
