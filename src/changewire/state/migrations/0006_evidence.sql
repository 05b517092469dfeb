-- What is kept to explain: of attempts that did not succeed what they sent and got, of triggers how the last poll that
-- was not like the one before judged its items. And what somebody should know, stored with its cause and told after.

ALTER TABLE attempts ADD COLUMN evidence TEXT;
ALTER TABLE triggers ADD COLUMN verdicts TEXT;

CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at TEXT NOT NULL,
    what TEXT NOT NULL,
    name TEXT NOT NULL,
    message TEXT NOT NULL,
    facts TEXT NOT NULL,
    chain TEXT NOT NULL DEFAULT '[]',
    cause TEXT,
    told INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX alerts_untold ON alerts (seq) WHERE told = 0;
CREATE INDEX alerts_of ON alerts (name, seq);

-- Runs of a workflow in a row that failed or were paused; no row: the last one was fine.
CREATE TABLE streaks (
    workflow TEXT PRIMARY KEY,
    failures INTEGER NOT NULL
) WITHOUT ROWID;
