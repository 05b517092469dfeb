-- Whether an alert said that the runs of a workflow fail in a row, so that it is said once for each streak, and its end.

ALTER TABLE streaks ADD COLUMN alerted INTEGER NOT NULL DEFAULT 0;
UPDATE streaks SET alerted = 1 WHERE 'workflow_failing' = (
    SELECT what FROM alerts WHERE name = streaks.workflow AND what IN ('workflow_failing', 'workflow_recovered')
    ORDER BY seq DESC LIMIT 1
);
