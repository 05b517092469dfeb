-- Changes that were noticed and are no event yet, because a request about them is still to be made. They are stored with
-- the snapshot that contains their item. Of one key, the earliest comes first.

CREATE TABLE pending_changes (
    seq INTEGER PRIMARY KEY,
    trigger_id TEXT NOT NULL,
    key TEXT NOT NULL,
    change TEXT NOT NULL,
    noticed_at TEXT NOT NULL,
    due_at TEXT NOT NULL,
    tries INTEGER NOT NULL,
    reason TEXT
);
CREATE INDEX pending_changes_of_key ON pending_changes (trigger_id, key, seq);
CREATE INDEX pending_changes_due ON pending_changes (trigger_id, due_at, seq);

-- pending_at equals next_due if the next poll only works on pending changes; the list is then due at list_due.
ALTER TABLE triggers ADD COLUMN pending_at TEXT;
ALTER TABLE triggers ADD COLUMN list_due TEXT;
-- Why the request budget delays the next poll; NULL: it does not.
ALTER TABLE triggers ADD COLUMN delayed TEXT;
