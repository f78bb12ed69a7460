-- A notice goes by webhook or by mail: one for each event, kind and channel.
-- The new key is there before the old one goes, so no moment is without one. What an older service
-- writes meanwhile is a webhook's.
ALTER TABLE notices ADD COLUMN channel VARCHAR(16) NOT NULL DEFAULT 'webhook';
CREATE UNIQUE INDEX by_event_channel ON notices (event_id, kind, channel);
DROP INDEX by_event ON notices;
