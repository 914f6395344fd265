-- Fair admission: who shares the embedded fleet, and which run is next. Runs that were queued before it come first,
-- in the order of their ids.

ALTER TABLE runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN tag REAL NOT NULL DEFAULT 0.0;          -- its place among the runs of its priority
ALTER TABLE runs ADD COLUMN held INTEGER NOT NULL DEFAULT FALSE;    -- queued behind its tenant's limit

DROP INDEX runs_to_admit;
CREATE INDEX runs_to_admit ON runs (priority DESC, tag, id) WHERE state = 'queued' AND NOT held;
CREATE INDEX runs_held ON runs (tenant, priority DESC, tag, id) WHERE state = 'queued' AND held;

CREATE TABLE tenants (
    tenant         TEXT    NOT NULL PRIMARY KEY,
    weight         INTEGER NOT NULL DEFAULT 1,
    max_concurrent INTEGER,
    clocks         TEXT    NOT NULL DEFAULT '{}', -- per priority, the tag that its latest run got
    taken          INTEGER NOT NULL DEFAULT 0,    -- runs that are running or may be admitted
    held           INTEGER NOT NULL DEFAULT 0     -- runs that are queued behind the limit
) STRICT, WITHOUT ROWID;

INSERT INTO tenants (tenant, taken)
    SELECT tenant, count(*) FROM runs WHERE state IN ('queued', 'running') GROUP BY tenant;

-- Per priority, the highest tag that was admitted: where a newcomer starts.
CREATE TABLE admission_clocks (
    priority INTEGER NOT NULL PRIMARY KEY,
    clock    REAL    NOT NULL
) STRICT;
