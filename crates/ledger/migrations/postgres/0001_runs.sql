-- Runs and what became of them. Ids are UUIDv7, so ordering by id is ordering by creation. Payloads, errors and usage
-- are JSON in text columns: jsonb would lose the order of keys, and answers come in the order of the questions.
--
-- There are no foreign keys: every row is written by code that holds the lock of its run, and checking each of the
-- thousands of rows of a submission would cost more than inserting it.

CREATE TABLE workflows (
    name       text   NOT NULL,
    version    bigint NOT NULL,
    definition text   NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE runs (
    id               uuid             NOT NULL PRIMARY KEY,
    tenant           text             NOT NULL,
    workflow         text             NOT NULL,
    workflow_version bigint           NOT NULL,
    state            text             NOT NULL,
    priority         smallint         NOT NULL,
    tag              double precision NOT NULL, -- its place among the runs of its priority
    held             boolean          NOT NULL, -- queued behind its tenant's limit
    revision         bigint           NOT NULL DEFAULT 0, -- how often it was stored since it became wide
    input            text             NOT NULL,
    idempotency_key  text,
    error            text,
    created_at       timestamptz      NOT NULL,
    started_at       timestamptz,
    ended_at         timestamptz,
    deadline_at      timestamptz
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX runs_by_key ON runs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_of_tenant ON runs (tenant, id);

-- The hot paths. Each index holds only the rows that wait for something, so it stays as small as the backlog.
CREATE INDEX runs_to_admit ON runs (priority DESC, tag, id) WHERE state = 'queued' AND NOT held;
CREATE INDEX runs_held ON runs (tenant, priority DESC, tag, id) WHERE state = 'queued' AND held;
CREATE INDEX runs_with_deadline ON runs (deadline_at)
    WHERE state IN ('queued', 'running') AND deadline_at IS NOT NULL;
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE task_runs (
    id                uuid        NOT NULL PRIMARY KEY,
    run_id            uuid        NOT NULL,
    position          bigint      NOT NULL, -- in the run's list of task runs
    task              text        NOT NULL,
    item              bigint,               -- position in the mapped list, for a child of a mapped task
    state             text        NOT NULL,
    attempt           bigint      NOT NULL,
    failures          bigint      NOT NULL,
    revision          bigint      NOT NULL DEFAULT 0, -- its run's, when it was last stored
    due_at            timestamptz,
    queued_at         timestamptz,
    expires_at        timestamptz,          -- when the queue wait of the latest attempt is used up
    published_at      timestamptz,
    published_attempt bigint      NOT NULL DEFAULT 0, -- equals `attempt` once the job is on the broker
    started_at        timestamptz,
    ended_at          timestamptz,
    output            text,
    fan_out           bigint,
    error             text,
    snooze_state      text,
    worker            text
) WITH (fillfactor = 80);

CREATE INDEX task_runs_of_run ON task_runs (run_id, position);
CREATE INDEX task_runs_outbox ON task_runs (queued_at) WHERE state = 'queued' AND published_attempt < attempt;
CREATE INDEX task_runs_handed_out ON task_runs (run_id) WHERE state IN ('queued', 'running') AND attempt > 0;
CREATE INDEX task_runs_timers ON task_runs (due_at) WHERE state = 'waiting';
CREATE INDEX task_runs_expiring ON task_runs (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;

-- The history only grows, so it lives in one partition a month: forgetting a month is dropping a table. What no
-- month was created for goes to the default partition until one is.
CREATE TABLE attempts (
    run_id      uuid        NOT NULL,
    task_run_id uuid        NOT NULL,
    attempt     bigint      NOT NULL,
    worker      text        NOT NULL,
    outcome     text        NOT NULL,
    error       text,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL, -- by the worker's clock
    usage       text,
    recorded_at timestamptz NOT NULL  -- by ours
) PARTITION BY RANGE (recorded_at);

CREATE INDEX attempts_of_run ON attempts (run_id);
CREATE TABLE attempts_unplaced PARTITION OF attempts DEFAULT;

-- Who shares the fleet. One row changes with every submission and every end of a run: none of its changing columns
-- is indexed, and half of each page is free, so that a change stays within its page.
CREATE TABLE tenants (
    tenant         text   NOT NULL PRIMARY KEY,
    weight         bigint NOT NULL DEFAULT 1,
    max_concurrent bigint,
    clocks         text   NOT NULL DEFAULT '{}', -- per priority, the tag that its latest run got
    taken          bigint NOT NULL DEFAULT 0,    -- runs that are running or may be admitted
    held           bigint NOT NULL DEFAULT 0     -- runs that are queued behind the limit
) WITH (fillfactor = 50);

-- Per priority, the highest tag that was admitted: where a newcomer starts.
CREATE TABLE admission_clocks (
    priority smallint         NOT NULL PRIMARY KEY,
    clock    double precision NOT NULL
) WITH (fillfactor = 50);
