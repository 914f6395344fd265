-- Runs that start by the clock. `next_at` is null when a schedule is switched off or has no time left.

CREATE TABLE schedules (
    tenant    TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    workflow  TEXT    NOT NULL,
    input     TEXT    NOT NULL,
    cron      TEXT    NOT NULL,
    time_zone TEXT    NOT NULL,
    misfire   TEXT    NOT NULL,
    priority  INTEGER NOT NULL,
    enabled   INTEGER NOT NULL,
    next_at   INTEGER,
    last_at   INTEGER,
    last_run  BLOB,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
