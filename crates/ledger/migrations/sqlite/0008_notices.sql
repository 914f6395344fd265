-- Runs whose owner wants to be told about their end. Nothing but those that ended and wait for it stands in the index.
ALTER TABLE runs ADD COLUMN notify INTEGER NOT NULL DEFAULT FALSE;

CREATE INDEX runs_to_notify ON runs (ended_at) WHERE notify AND ended_at IS NOT NULL;
