-- An event may have several runs of one workflow: the first (replay 0), and one for each time it was played again.

ALTER TABLE events ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;

CREATE TABLE new_runs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    event_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    started_at TEXT,
    finished_at TEXT,
    due_at TEXT,
    claim INTEGER NOT NULL DEFAULT 0,
    lease_until TEXT,
    replay INTEGER NOT NULL DEFAULT 0,
    UNIQUE (event_id, workflow, replay)
);
INSERT INTO new_runs
    (seq, id, workflow, version, event_id, created_at, state, reason, started_at, finished_at, due_at, claim, lease_until)
SELECT seq, id, workflow, version, event_id, created_at, state, reason, started_at, finished_at, due_at, claim, lease_until
FROM runs;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;
CREATE INDEX runs_created ON runs (created_at);
CREATE INDEX runs_of_workflow ON runs (workflow, created_at);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_due ON runs (due_at) WHERE claim = 0 AND state IN ('pending', 'running', 'waiting');
CREATE INDEX runs_leased ON runs (lease_until) WHERE claim <> 0;
CREATE INDEX runs_paused ON runs (workflow) WHERE state = 'paused';
