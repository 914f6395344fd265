-- Runs that do an earlier one again, lists of runs by what became of them, and what tenants consumed.

ALTER TABLE runs ADD COLUMN retry_of BLOB;   -- the run that this one does again
ALTER TABLE runs ADD COLUMN retry_from TEXT; -- the task that was named to begin with

-- Lists by state. Whoever looks for runs that are under way or went wrong must not read all that went well; each of
-- these indexes holds only such runs, and one that succeeded never comes into the second.
CREATE INDEX runs_open ON runs (tenant, id) WHERE state IN ('queued', 'running');
CREATE INDEX runs_unsuccessful ON runs (tenant, id) WHERE state IN ('failed', 'cancelled');
CREATE INDEX runs_of_workflow ON runs (tenant, workflow, id);

-- What tenants consumed, by day and model, counted in the transaction that records the attempts. What no model is
-- named for has the model ''.
CREATE TABLE usage_days (
    tenant           TEXT    NOT NULL,
    day              TEXT    NOT NULL, -- in UTC, like 2026-11-26; when it was recorded
    model            TEXT    NOT NULL,
    attempts         INTEGER NOT NULL, -- that took part
    counted          INTEGER NOT NULL, -- the same, each attempt in one row of its day alone
    calls            INTEGER NOT NULL,
    input_tokens     INTEGER NOT NULL,
    output_tokens    INTEGER NOT NULL,
    embedding_tokens INTEGER NOT NULL,
    pages            INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, model)
) STRICT, WITHOUT ROWID;

-- What was consumed before models were told apart.
INSERT INTO usage_days
SELECT runs.tenant, date(attempts.ended_at / 1000000, 'unixepoch') AS day, '', count(*), count(*),
    sum(coalesce(attempts.usage ->> 'calls', 0)), sum(coalesce(attempts.usage ->> 'input_tokens', 0)),
    sum(coalesce(attempts.usage ->> 'output_tokens', 0)), sum(coalesce(attempts.usage ->> 'embedding_tokens', 0)),
    sum(coalesce(attempts.usage ->> 'pages', 0))
FROM attempts
JOIN task_runs ON task_runs.id = attempts.task_run_id
JOIN runs ON runs.id = task_runs.run_id
WHERE attempts.usage IS NOT NULL
GROUP BY runs.tenant, day;
