-- When instances were paused and resumed, for ever: what was due in a pause that came and went while no
-- scheduler looked is SKIPPED all the same. Each row turns its instance's state round. Read by the
-- scheduler. The id gives the order: it is taken while the instance's row is locked.
CREATE TABLE IF NOT EXISTS pauses (
    change_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    instance_id VARCHAR(62) NOT NULL,
    is_paused BOOLEAN NOT NULL,
    changed_at DATETIME(6) NOT NULL,
    INDEX by_instance (instance_id, changed_at)
) ENGINE=InnoDB;

-- what was said before there was this table, and perhaps not yet heard by a scheduler
INSERT INTO pauses (instance_id, is_paused, changed_at)
SELECT target, action = 'instance.pause', at FROM audit
WHERE action IN ('instance.pause', 'instance.resume') AND at > UTC_TIMESTAMP(6) - INTERVAL 1 DAY
  AND NOT EXISTS (SELECT 1 FROM (SELECT change_id FROM pauses LIMIT 1) AS there)
ORDER BY audit_id;
