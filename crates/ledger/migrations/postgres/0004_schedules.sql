-- Runs that start by the clock. `next_at` is null when a schedule is switched off or has no time left.

CREATE TABLE schedules (
    tenant    text        NOT NULL,
    name      text        NOT NULL,
    workflow  text        NOT NULL,
    input     text        NOT NULL,
    cron      text        NOT NULL,
    time_zone text        NOT NULL,
    misfire   text        NOT NULL,
    priority  smallint    NOT NULL,
    enabled   boolean     NOT NULL,
    next_at   timestamptz,
    last_at   timestamptz,
    last_run  uuid,
    PRIMARY KEY (tenant, name)
);

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
