-- Who executes a run, and which run it repeats on another backend to be compared.
ALTER TABLE runs ADD COLUMN backend text NOT NULL DEFAULT 'fleet';
ALTER TABLE runs ADD COLUMN shadow_of uuid;

-- Only runs of engines besides ours are looked for by this.
CREATE INDEX runs_elsewhere ON runs (id) WHERE state = 'running' AND backend NOT IN ('fleet', 'embedded');
