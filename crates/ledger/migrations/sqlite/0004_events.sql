-- What was told about runs: starts, progress, log lines, ends, as JSON. The numbers are microseconds since 1970, moved
-- on where they are taken already, and grow with every commit, since there is one writer at a time.

CREATE TABLE events (
    seq    INTEGER NOT NULL PRIMARY KEY,
    run_id BLOB    NOT NULL,
    event  TEXT    NOT NULL
) STRICT;

-- Every index holds the number besides.
CREATE INDEX events_of_run ON events (run_id);
