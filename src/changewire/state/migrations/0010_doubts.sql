-- A write is noted before it is sent: one of which no answer came (acknowledged_at NULL) may have been done.

CREATE TABLE echoes_of_writes (
    seq INTEGER PRIMARY KEY,
    trigger_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    key TEXT,
    sent_at TEXT NOT NULL,
    acknowledged_at TEXT,
    outcome TEXT,
    seen_at TEXT
);
INSERT INTO echoes_of_writes
    SELECT seq, trigger_id, run_id, address, method, path, body, key, sent_at, acknowledged_at, outcome, seen_at
    FROM echoes;
DROP TABLE echoes;
ALTER TABLE echoes_of_writes RENAME TO echoes;
CREATE INDEX echoes_expected ON echoes (trigger_id) WHERE outcome IS NULL;
CREATE INDEX echoes_written ON echoes (coalesce(acknowledged_at, sent_at));
