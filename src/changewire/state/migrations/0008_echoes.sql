-- What workflows wrote to what they watch: a change that is nothing but this is an echo and no event of theirs.

CREATE TABLE echoes (
    seq INTEGER PRIMARY KEY,
    trigger_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    key TEXT,
    sent_at TEXT NOT NULL,
    acknowledged_at TEXT NOT NULL,
    outcome TEXT,
    seen_at TEXT
);
CREATE INDEX echoes_expected ON echoes (trigger_id) WHERE outcome IS NULL;
CREATE INDEX echoes_acknowledged ON echoes (acknowledged_at);
