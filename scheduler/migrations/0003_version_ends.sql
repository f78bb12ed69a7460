-- Since when a version is past, so that it can be forgotten when nothing may be started from it.
CREATE TABLE IF NOT EXISTS version_ends (
    instance_id VARCHAR(62) NOT NULL,
    version INT NOT NULL,
    ended_at DATETIME(6) NOT NULL,
    PRIMARY KEY (instance_id, version),
    INDEX by_end (ended_at)
) ENGINE=InnoDB;

INSERT IGNORE INTO version_ends (instance_id, version, ended_at)
SELECT instance_id, version, UTC_TIMESTAMP(6) FROM past_versions;
