-- The registry of nodes, read by the screens. Names are ASCII and compared exactly.
CREATE TABLE IF NOT EXISTS nodes (
    node_id        VARCHAR(64)  NOT NULL PRIMARY KEY,
    state          VARCHAR(16)  NOT NULL,
    wish           VARCHAR(16)  NOT NULL DEFAULT '',
    drain          VARCHAR(8)   NULL,
    boot_id        VARCHAR(64)  NOT NULL,
    former_boot_id VARCHAR(64)  NULL,
    address        VARCHAR(255) NOT NULL,
    log_port       INT          NOT NULL,
    labels         JSON         NOT NULL,
    cpus           DOUBLE       NOT NULL,
    memory_bytes   BIGINT       NOT NULL,
    last_heartbeat DATETIME(6)  NOT NULL,
    since          DATETIME(6)  NOT NULL,
    revision       BIGINT       NOT NULL,
    reason         VARCHAR(500) NULL
);
