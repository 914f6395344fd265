-- Runs that do an earlier one again, lists of runs by what became of them, and what tenants consumed.

ALTER TABLE runs ADD COLUMN retry_of uuid;   -- the run that this one does again
ALTER TABLE runs ADD COLUMN retry_from text; -- the task that was named to begin with

-- Lists by state. Whoever looks for runs that are under way or went wrong must not read all that went well; each of
-- these indexes holds only such runs, and one that succeeded never comes into the second.
CREATE INDEX runs_open ON runs (tenant, id) WHERE state IN ('queued', 'running');
CREATE INDEX runs_unsuccessful ON runs (tenant, id) WHERE state IN ('failed', 'cancelled');
CREATE INDEX runs_of_workflow ON runs (tenant, workflow, id);

-- What tenants consumed, by day and model, counted in the transaction that records the attempts. It outlives the runs: one
-- row per tenant, day and model. What no model is named for has the model ''.
CREATE TABLE usage_days (
    tenant           text   NOT NULL,
    day              text   NOT NULL, -- in UTC, like 2026-11-26; when it was recorded
    model            text   NOT NULL,
    attempts         bigint NOT NULL, -- that took part
    counted          bigint NOT NULL, -- the same, each attempt in one row of its day alone
    calls            bigint NOT NULL,
    input_tokens     bigint NOT NULL,
    output_tokens    bigint NOT NULL,
    embedding_tokens bigint NOT NULL,
    pages            bigint NOT NULL,
    PRIMARY KEY (tenant, day, model)
) WITH (fillfactor = 50);

-- What was consumed before models were told apart.
INSERT INTO usage_days
SELECT tenant, day, '', count(*), count(*), coalesce(sum((usage ->> 'calls')::bigint), 0),
    coalesce(sum((usage ->> 'input_tokens')::bigint), 0), coalesce(sum((usage ->> 'output_tokens')::bigint), 0),
    coalesce(sum((usage ->> 'embedding_tokens')::bigint), 0), coalesce(sum((usage ->> 'pages')::bigint), 0)
FROM (
    SELECT runs.tenant, to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, attempts.usage::json AS usage
    FROM attempts JOIN runs ON runs.id = attempts.run_id WHERE attempts.usage IS NOT NULL
) AS consumed
GROUP BY tenant, day;
