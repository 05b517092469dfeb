-- How long a daemon has watched: once a day the seconds that it has witnessed by elapsed time, the wall clock and the
-- last rows. History is deleted only if it is older than a mark that lies as long ago as it is kept, so a wall clock that
-- jumps ahead deletes nothing. Marks of the time before this table come from the dates of the history.

CREATE TABLE marks (
    witnessed_s INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    event_seq INTEGER NOT NULL,
    run_seq INTEGER NOT NULL
);
INSERT INTO marks (witnessed_s, at, event_seq, run_seq)
WITH
    seen AS (
        SELECT substr(detected_at, 1, 10) AS day, seq AS event_seq, NULL AS run_seq FROM events
        UNION ALL SELECT substr(created_at, 1, 10), NULL, seq FROM runs
    ),
    days AS (SELECT day, min(event_seq) AS event_seq, min(run_seq) AS run_seq FROM seen GROUP BY day)
SELECT
    CAST(round(julianday(day) - julianday(min(day) OVER ())) AS INTEGER) * 86400,
    day || 'T00:00:00.000000Z',
    coalesce(min(event_seq) OVER later - 1, (SELECT max(seq) FROM events), 0),
    coalesce(min(run_seq) OVER later - 1, (SELECT max(seq) FROM runs), 0)
FROM days WINDOW later AS (ORDER BY day ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING);

-- Runs that wait for a moment on the wall clock, by that moment.
CREATE INDEX attempts_until ON attempts (json_extract(output, '$.until')) WHERE use = 'wait_until' AND state = 'running';
