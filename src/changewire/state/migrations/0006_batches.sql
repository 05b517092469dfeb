-- Events that are gathered into one run. `batch_max` says that a run is such a batch; `gathering` counts its events
-- while others may still join it, and is NULL from the moment when it is full or begins.

ALTER TABLE runs ADD COLUMN batch_max INTEGER;
ALTER TABLE runs ADD COLUMN gathering INTEGER;
CREATE INDEX runs_gathering ON runs (workflow) WHERE gathering IS NOT NULL;
CREATE TABLE batches (
    run_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (run_id, place)
) WITHOUT ROWID;
CREATE INDEX batches_of_event ON batches (event_id);
