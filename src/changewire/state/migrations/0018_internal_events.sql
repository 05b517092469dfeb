-- Internal events that were raised while a trigger of their type was not in the files or could not be used. The trigger
-- gets them when it is back.

CREATE TABLE internal_events (
    seq INTEGER PRIMARY KEY,
    trigger_id TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    item TEXT NOT NULL,
    chain TEXT NOT NULL,
    cause TEXT,
    raised_at TEXT NOT NULL,
    UNIQUE (trigger_id, id)
);
