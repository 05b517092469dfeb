-- What is paused: a connection whose credentials are refused, and whatever a person paused by hand.

CREATE TABLE pauses (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    cause TEXT NOT NULL,
    since TEXT NOT NULL,
    reason TEXT NOT NULL,
    advice TEXT,
    by_request INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    try_at TEXT,
    trial TEXT,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- 1 while a pause concerns the trigger: it is not claimed.
ALTER TABLE triggers ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
DROP INDEX triggers_due;
CREATE INDEX triggers_due ON triggers (next_due)
    WHERE active = 1 AND claim = 0 AND paused = 0 AND state <> 'unavailable';

-- With a paused run: the pause ("connection/work") that it goes on after by itself. NULL: it waits for a person.
ALTER TABLE runs ADD COLUMN held_by TEXT;
CREATE INDEX runs_held ON runs (held_by) WHERE held_by IS NOT NULL AND state = 'paused';
