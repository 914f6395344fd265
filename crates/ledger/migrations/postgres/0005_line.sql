-- How much is handed out is asked with every admission. Children of mapped tasks have an item and do not count, so they
-- lie apart from the others.
DROP INDEX task_runs_handed_out;
CREATE INDEX task_runs_handed_out ON task_runs (item, run_id) WHERE state IN ('queued', 'running') AND attempt > 0;
