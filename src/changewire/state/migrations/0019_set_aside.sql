-- Items of the last good poll that could not be processed, one row each; the row with an empty key counts further ones.
-- A pending change is broken if its event cannot be made: retrying the request about it would not help.

CREATE TABLE set_aside (
    trigger_id TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    excerpt TEXT NOT NULL,
    since TEXT NOT NULL,
    place INTEGER NOT NULL,
    polls INTEGER NOT NULL,
    items INTEGER NOT NULL,
    PRIMARY KEY (trigger_id, key)
) WITHOUT ROWID;

ALTER TABLE pending_changes ADD COLUMN broken INTEGER NOT NULL DEFAULT 0;
