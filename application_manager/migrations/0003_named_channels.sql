-- Whom to tell whatever instance it is of: channels of the platform, beside those of schedule files.
-- `url` is https://…, http://… or mailto:…; `kinds` are those of `notify.on`.
CREATE TABLE IF NOT EXISTS channels (
    name VARCHAR(62) NOT NULL PRIMARY KEY,
    url VARCHAR(2000) NOT NULL,
    kinds JSON NOT NULL,
    created_by VARCHAR(64) NOT NULL,
    created_at DATETIME(6) NOT NULL
) ENGINE=InnoDB;
-- A notice is of a schedule file's channel ('') or of a named one: one for each event, kind and these.
-- The new key is there before the old one goes, so no moment is without one.
ALTER TABLE notices ADD COLUMN source VARCHAR(62) NOT NULL DEFAULT '';
CREATE UNIQUE INDEX by_event_source ON notices (event_id, kind, channel, source);
DROP INDEX by_event_channel ON notices;
