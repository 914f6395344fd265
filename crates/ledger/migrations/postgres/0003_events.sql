-- What was told about runs: starts, progress, log lines, ends. A row is an id, a number and a short JSON text, in one
-- partition a month like the attempts; forgetting a month is dropping a table.
--
-- The numbers are microseconds since 1970, moved on where they are taken already, so they say which month an event
-- belongs to. They are handed out under the lock of the one row of `event_clock`, which is kept until the commit:
-- whoever reads a number will never see a lower one appear later. That they follow the time makes them grow even
-- after a crash of Postgres that lost the latest commits, which nobody waits for here.

CREATE TABLE events (
    run_id uuid   NOT NULL,
    seq    bigint NOT NULL,
    event  text   NOT NULL
) PARTITION BY RANGE (seq);

CREATE INDEX events_of_run ON events (run_id, seq);
CREATE TABLE events_unplaced PARTITION OF events DEFAULT;

-- The number that was handed out last. Half of the page is free, so that a change stays within it.
CREATE TABLE event_clock (
    last bigint NOT NULL
) WITH (fillfactor = 50);

INSERT INTO event_clock (last) VALUES (0);
