-- Runs and what became of them. Times are microseconds since 1970-01-01 UTC; ids are the 16 bytes of a UUIDv7,
-- so ordering by id is ordering by creation; payloads, errors and usage are JSON.

CREATE TABLE workflows (
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    definition TEXT    NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id               BLOB    NOT NULL PRIMARY KEY,
    tenant           TEXT    NOT NULL,
    workflow         TEXT    NOT NULL,
    workflow_version INTEGER NOT NULL,
    state            TEXT    NOT NULL,
    input            TEXT    NOT NULL,
    idempotency_key  TEXT,
    error            TEXT,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    ended_at         INTEGER,
    deadline_at      INTEGER,
    UNIQUE (tenant, idempotency_key),
    FOREIGN KEY (workflow, workflow_version) REFERENCES workflows (name, version)
) STRICT;

CREATE INDEX runs_of_tenant ON runs (tenant, id);
CREATE INDEX runs_to_admit ON runs (created_at, id) WHERE state = 'queued';
CREATE INDEX runs_with_deadline ON runs (deadline_at)
    WHERE state IN ('queued', 'running') AND deadline_at IS NOT NULL;

CREATE TABLE task_runs (
    id                BLOB    NOT NULL PRIMARY KEY,
    run_id            BLOB    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position          INTEGER NOT NULL, -- in the run's list of task runs
    task              TEXT    NOT NULL,
    item              INTEGER,          -- position in the mapped list, for a child of a mapped task
    state             TEXT    NOT NULL,
    attempt           INTEGER NOT NULL DEFAULT 0,
    failures          INTEGER NOT NULL DEFAULT 0,
    due_at            INTEGER,
    queued_at         INTEGER,
    expires_at        INTEGER,          -- when the queue wait of the latest attempt is used up
    published_at      INTEGER,
    published_attempt INTEGER NOT NULL DEFAULT 0, -- equals `attempt` once the job is on the broker
    started_at        INTEGER,
    ended_at          INTEGER,
    output            TEXT,
    fan_out           INTEGER,
    error             TEXT,
    snooze_state      TEXT,
    worker            TEXT,
    UNIQUE (run_id, position)
) STRICT;

-- The hot paths. Each index holds only the rows that wait for something, so it stays as small as the backlog.
CREATE INDEX task_runs_outbox ON task_runs (queued_at) WHERE state = 'queued' AND published_attempt < attempt;
CREATE INDEX task_runs_handed_out ON task_runs (state) WHERE state IN ('queued', 'running') AND attempt > 0;
CREATE INDEX task_runs_timers ON task_runs (due_at) WHERE state = 'waiting';
CREATE INDEX task_runs_expiring ON task_runs (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;

CREATE TABLE attempts (
    task_run_id BLOB    NOT NULL REFERENCES task_runs (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL,
    worker      TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    error       TEXT,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    usage       TEXT,
    PRIMARY KEY (task_run_id, attempt)
) STRICT, WITHOUT ROWID;
