-- What was inferred of a run is stored: how often a person resumed it, when and who or what let it continue last, the
-- step that ends it (written with that step's last attempt), the step that it waits for, and the seconds that it has
-- from started_at on (NULL: all of its timeout). Each attempt has the number of resumptions before it as its series.

ALTER TABLE runs ADD COLUMN resumes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN resumed_at TEXT;
ALTER TABLE runs ADD COLUMN resumed_by TEXT;
ALTER TABLE runs ADD COLUMN ending_step TEXT;
ALTER TABLE runs ADD COLUMN waits_for TEXT;
ALTER TABLE runs ADD COLUMN time_left_s REAL;
ALTER TABLE attempts ADD COLUMN series INTEGER NOT NULL DEFAULT 0;

-- Resuming set started_at, so a failure before it is one of an earlier series.
UPDATE runs SET resumes = 1, resumed_at = started_at
WHERE state IN ('pending', 'running', 'waiting', 'paused') AND EXISTS (
    SELECT 1 FROM attempts WHERE run_id = runs.id AND state IN ('failed', 'unknown') AND retry_at IS NULL
        AND finished_at < runs.started_at
);
UPDATE attempts SET series = 1
WHERE run_id IN (SELECT id FROM runs WHERE resumes = 1)
    AND started_at >= (SELECT started_at FROM runs WHERE id = attempts.run_id);

-- The reason of a run began with the step that it waits for.
UPDATE runs SET waits_for = (
    SELECT address FROM attempts
    WHERE run_id = runs.id AND instr(runs.reason, address || ' (' || use || '): ') = 1
    ORDER BY length(address) DESC LIMIT 1
)
WHERE state IN ('pending', 'waiting', 'paused') AND reason IS NOT NULL;
UPDATE runs SET ending_step = waits_for
WHERE state IN ('pending', 'waiting') AND EXISTS (
    SELECT 1 FROM attempts WHERE run_id = runs.id AND address = runs.waits_for AND series = runs.resumes
        AND state IN ('failed', 'unknown') AND retry_at IS NULL
);

-- The time of a run was a row among its attempts: what was left of it while a pause held the run, or when it is over.
-- A moment that was noted before a person resumed the run says nothing: it has all of its time again.
UPDATE runs SET
    time_left_s = (
        SELECT coalesce(
            json_extract(output, '$.left_s'),
            iif(
                attempts.started_at >= runs.started_at,
                (julianday(json_extract(output, '$.until')) - julianday(runs.started_at)) * 86400.0,
                NULL
            )
        ) FROM attempts WHERE run_id = runs.id AND address = 'timeout' ORDER BY attempt DESC LIMIT 1
    ),
    started_at = coalesce((
        SELECT iif(runs.state = 'paused' OR json_extract(output, '$.left_s') IS NULL, NULL, runs.due_at)
        FROM attempts WHERE run_id = runs.id AND address = 'timeout' ORDER BY attempt DESC LIMIT 1
    ), started_at)
WHERE state IN ('pending', 'running', 'waiting', 'paused') AND started_at IS NOT NULL;
DELETE FROM attempts WHERE address = 'timeout' AND state <> 'failed'
    AND run_id IN (SELECT id FROM runs WHERE state IN ('pending', 'running', 'waiting', 'paused'));
