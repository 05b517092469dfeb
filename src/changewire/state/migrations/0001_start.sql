-- Moments are RFC 3339 text in UTC with microseconds, so that text order is time order. JSON is canonical text.

CREATE TABLE daemon (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at TEXT NOT NULL,
    info TEXT NOT NULL
);

-- The last claim number given; numbers are never given again, so an old claim can never look valid.
CREATE TABLE claims (last INTEGER NOT NULL);
INSERT INTO claims (last) VALUES (0);

CREATE TABLE triggers (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    connection TEXT,
    fingerprint TEXT NOT NULL,
    interval_s REAL NOT NULL,
    schedule TEXT NOT NULL,
    active INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    changed_at TEXT NOT NULL,
    state TEXT NOT NULL,
    next_due TEXT,
    claim INTEGER NOT NULL DEFAULT 0,
    lease_until TEXT,
    last_ok TEXT,
    last_poll TEXT,
    last_event TEXT,
    failures INTEGER NOT NULL,
    error TEXT,
    error_class TEXT,
    baseline_at TEXT,
    rules TEXT,
    body_hash TEXT,
    cursor TEXT NOT NULL,
    polls INTEGER NOT NULL,
    events INTEGER NOT NULL,
    lag_ms REAL,
    lag_p99_ms REAL
);
CREATE INDEX triggers_due ON triggers (next_due) WHERE active = 1 AND claim = 0 AND state <> 'unavailable';
CREATE INDEX triggers_leased ON triggers (lease_until) WHERE claim <> 0;

CREATE TABLE items (
    trigger_id TEXT NOT NULL,
    key TEXT NOT NULL,
    hash TEXT NOT NULL,
    body BLOB,
    revision INTEGER NOT NULL,
    candidate TEXT,
    candidate_count INTEGER NOT NULL,
    absences INTEGER NOT NULL,
    PRIMARY KEY (trigger_id, key)
) WITHOUT ROWID;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    trigger_id TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    workflow TEXT NOT NULL,
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    event_type TEXT NOT NULL,
    key TEXT NOT NULL,
    detected_at TEXT NOT NULL,
    payload TEXT NOT NULL,
    changes TEXT NOT NULL,
    backfill INTEGER NOT NULL
);
CREATE INDEX events_detected ON events (detected_at);
CREATE INDEX events_of_workflow ON events (workflow, detected_at);

CREATE TABLE versions (
    version TEXT PRIMARY KEY,
    text TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
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
    UNIQUE (event_id, workflow)
);
CREATE INDEX runs_created ON runs (created_at);
CREATE INDEX runs_of_workflow ON runs (workflow, created_at);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_due ON runs (due_at) WHERE claim = 0 AND state IN ('pending', 'running', 'waiting');
CREATE INDEX runs_leased ON runs (lease_until) WHERE claim <> 0;

CREATE TABLE attempts (
    run_id TEXT NOT NULL,
    address TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    use TEXT NOT NULL,
    state TEXT NOT NULL,
    output TEXT NOT NULL,
    error TEXT,
    error_class TEXT,
    started_at TEXT,
    finished_at TEXT,
    retry_at TEXT,
    PRIMARY KEY (run_id, address, attempt)
) WITHOUT ROWID;
