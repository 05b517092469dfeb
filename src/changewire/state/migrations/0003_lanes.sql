-- What the workflow says about runs at the same time is kept with each run: NULL in lane where nothing is to be minded.
-- A run holds a slot from its beginning until it is finished or paused, also while it waits.

ALTER TABLE runs ADD COLUMN lane TEXT;
ALTER TABLE runs ADD COLUMN lane_max INTEGER;
ALTER TABLE runs ADD COLUMN order_value TEXT;
ALTER TABLE runs ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET slot = 1 WHERE started_at IS NOT NULL AND state IN ('pending', 'running', 'waiting');
DROP INDEX runs_due;
CREATE INDEX runs_due ON runs (due_at)
    WHERE claim = 0 AND lane IS NULL AND state IN ('pending', 'running', 'waiting');
CREATE INDEX runs_due_in_lanes ON runs (due_at)
    WHERE claim = 0 AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting');
CREATE INDEX runs_lanes ON runs (workflow, slot DESC, seq)
    WHERE lane IS NOT NULL AND state IN ('pending', 'running', 'waiting', 'paused');
CREATE INDEX runs_slots ON runs (workflow, seq) WHERE slot = 1;
CREATE INDEX runs_ordered ON runs (workflow, order_value, seq)
    WHERE order_value IS NOT NULL AND state IN ('pending', 'running', 'waiting', 'paused');
