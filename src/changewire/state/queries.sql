-- The statements of the store. Each begins with its name; `queries.sql("name")` gives its text.

-- name: next_claim
UPDATE claims SET last = last + 1 RETURNING last

-- name: next_epoch
UPDATE epochs SET last = last + 1 RETURNING last

-- name: free_all_triggers
UPDATE triggers SET claim = 0, lease_until = NULL WHERE claim <> 0

-- name: free_all_runs
UPDATE runs SET claim = 0, lease_until = NULL WHERE claim <> 0

-- name: due_triggers
SELECT id, next_due FROM triggers
WHERE active = 1 AND claim = 0 AND paused = 0 AND state <> 'unavailable' AND next_due <= :now
ORDER BY next_due, seq LIMIT :limit

-- name: next_trigger_due
SELECT min(next_due) FROM triggers
WHERE active = 1 AND claim = 0 AND paused = 0 AND state <> 'unavailable' AND next_due > :now

-- name: claim_triggers
UPDATE triggers SET claim = :claim, lease_until = :lease_until
WHERE seq IN (
    SELECT seq FROM triggers
    WHERE active = 1 AND claim = 0 AND paused = 0 AND state <> 'unavailable' AND next_due <= :now
    ORDER BY next_due, seq LIMIT :limit
)
RETURNING next_due, seq, claim

-- name: release_trigger
UPDATE triggers SET
    claim = 0, lease_until = NULL, late_since = coalesce(late_since, next_due), next_due = :next_due,
    pending_at = NULL, list_due = NULL, delayed = :delayed
WHERE id = :trigger_id AND claim = :claim AND claim <> 0

-- name: move_due
UPDATE triggers SET next_due = :due WHERE id = :id AND claim = 0 AND next_due = :before

-- name: commit_trigger
UPDATE triggers SET
    claim = 0,
    lease_until = NULL,
    state = :state,
    next_due = :next_due,
    late_since = :late_since,
    pending_at = NULL,
    list_due = NULL,
    delayed = :delayed,
    last_poll = :now,
    last_ok = iif(:ok AND :listed, :now, last_ok),
    failures = :failures,
    error = :error,
    error_class = :error_class,
    baseline_at = coalesce(:baseline_at, baseline_at),
    rules = coalesce(:rules, rules),
    body_hash = iif(:ok, :body_hash, body_hash),
    cursor = coalesce(:cursor, cursor),
    verdicts = coalesce(:verdicts, verdicts),
    polls = polls + 1,
    lag_ms = coalesce(:lag_ms, lag_ms),
    lag_p99_ms = coalesce(:lag_p99_ms, lag_p99_ms)
WHERE id = :trigger_id AND claim = :claim AND claim <> 0 AND generation = :generation

-- name: count_events_of_trigger
UPDATE triggers SET events = events + :inserted, last_event = max(coalesce(last_event, ''), :last_event)
WHERE id = :trigger_id

-- name: put_item
INSERT OR REPLACE INTO items
    (trigger_id, key, hash, body, revision, candidate, candidate_count, absences)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: touch_item
UPDATE items SET candidate = ?, candidate_count = ?, absences = ? WHERE trigger_id = ? AND key = ?

-- name: delete_item
DELETE FROM items WHERE trigger_id = ? AND key = ?

-- name: items
SELECT key, hash, body, revision, candidate, candidate_count, absences FROM items
WHERE trigger_id = :trigger_id

-- name: items_of_keys
SELECT key, hash, body, revision, candidate, candidate_count, absences FROM items
WHERE trigger_id = :trigger_id AND key IN (SELECT value FROM json_each(:keys))
UNION ALL
SELECT key, hash, body, revision, candidate, candidate_count, absences FROM items INDEXED BY items_unsettled
WHERE trigger_id = :trigger_id AND candidate IS NOT NULL

-- name: items_alike
SELECT items.key, hash, body, revision, candidate, candidate_count, absences
FROM json_each(:keys) AS wanted CROSS JOIN items
WHERE trigger_id = :trigger_id AND items.key > wanted.value || '::' AND items.key < wanted.value || ':;'

-- name: put_pending
INSERT INTO pending_changes (trigger_id, key, change, noticed_at, due_at, tries, reason, broken)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: put_off_pending
UPDATE pending_changes SET due_at = ?, tries = ?, reason = ?, broken = ? WHERE trigger_id = ? AND seq = ?

-- name: settle_pending
DELETE FROM pending_changes WHERE trigger_id = ? AND seq = ?

-- name: due_pending
SELECT trigger_id, key, change, noticed_at, due_at, tries, reason, seq, broken FROM pending_changes AS change
WHERE trigger_id = :trigger_id AND (due_at <= :now OR due_at >= '3') AND NOT EXISTS (
    SELECT 1 FROM pending_changes AS earlier
    WHERE earlier.trigger_id = change.trigger_id AND earlier.key = change.key AND earlier.seq < change.seq
)
ORDER BY due_at, seq LIMIT :limit

-- name: broken_pending
SELECT trigger_id, key, change, noticed_at, due_at, tries, reason, seq, broken FROM pending_changes
WHERE trigger_id = :trigger_id AND key IN (
    SELECT key FROM pending_changes AS first WHERE trigger_id = :trigger_id AND broken = 1 AND NOT EXISTS (
        SELECT 1 FROM pending_changes AS earlier
        WHERE earlier.trigger_id = first.trigger_id AND earlier.key = first.key AND earlier.seq < first.seq
    )
)
ORDER BY key, seq

-- name: next_pending
SELECT due_at, next_due, interval_s FROM pending_changes AS change JOIN triggers ON triggers.id = trigger_id
WHERE trigger_id = :trigger_id AND NOT EXISTS (
    SELECT 1 FROM pending_changes AS earlier
    WHERE earlier.trigger_id = change.trigger_id AND earlier.key = change.key AND earlier.seq < change.seq
)
ORDER BY due_at, change.seq LIMIT 1

-- name: pending_keys
SELECT DISTINCT key FROM pending_changes WHERE trigger_id = :trigger_id

-- name: schedule_pending
UPDATE triggers SET list_due = next_due, next_due = :at, pending_at = :at
WHERE id = :trigger_id

-- name: waiting_changes
SELECT trigger_id, workflow || '/' || name, count(*), sum(broken), min(noticed_at), max(iif(broken, 0, tries)),
    (SELECT reason FROM pending_changes AS most WHERE most.trigger_id = change.trigger_id
        ORDER BY broken, tries DESC, seq LIMIT 1),
    min(due_at), interval_s, delayed,
    max(min(noticed_at) FILTER (WHERE tries = 0 AND NOT EXISTS (
        SELECT 1 FROM pending_changes AS earlier
        WHERE earlier.trigger_id = change.trigger_id AND earlier.key = change.key AND earlier.seq < change.seq
    )), coalesce(last_event, '')),
    paused = 1 OR state = 'unavailable'
FROM pending_changes AS change JOIN triggers ON triggers.id = trigger_id
WHERE active = 1 OR :inactive
GROUP BY trigger_id ORDER BY 2, trigger_id

-- name: drop_set_aside
DELETE FROM set_aside WHERE trigger_id = :trigger_id AND key NOT IN (SELECT value FROM json_each(:keys))

-- name: put_set_aside
INSERT INTO set_aside (trigger_id, key, name, reason, excerpt, since, place, items, polls)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
ON CONFLICT DO UPDATE SET
    name = excluded.name, reason = excluded.reason, excerpt = excluded.excerpt, place = excluded.place,
    items = excluded.items, polls = polls + 1

-- name: items_set_aside
SELECT trigger_id, workflow || '/' || triggers.name, item.name, reason, since, item.polls, items, excerpt, 0, place
FROM set_aside AS item JOIN triggers ON triggers.id = trigger_id
WHERE active = 1 OR :inactive
UNION ALL
SELECT trigger_id, workflow || '/' || triggers.name, key, coalesce(reason, ''), noticed_at, tries, 1, NULL, 1, pending_changes.seq
FROM pending_changes JOIN triggers ON triggers.id = trigger_id
WHERE broken = 1 AND (active = 1 OR :inactive)
ORDER BY 2, 5, 9, 10

-- name: adopt_set_aside
UPDATE OR REPLACE set_aside SET trigger_id = :new WHERE trigger_id = :old

-- name: change_trigger
UPDATE triggers SET
    id = :id, workflow = :workflow, name = :name, type = :type, connection = :connection,
    fingerprint = :fingerprint, interval_s = :interval_s, schedule = :schedule,
    file = :file, version = :version, account = :account,
    next_due = iif(:interval_s > 0, coalesce(:next_due, next_due), NULL),
    late_since = iif(:next_due IS NULL, late_since, NULL),
    state = :state, error = :error, error_class = :error_class,
    active = 1, generation = generation + 1, changed_at = :now, claim = 0, lease_until = NULL
WHERE id = :stored_id

-- name: leave_triggers
UPDATE triggers SET active = 0, generation = generation + 1, changed_at = :now, claim = 0, lease_until = NULL
WHERE active = 1 AND id NOT IN (SELECT value FROM json_each(:ids))

-- name: put_origin
UPDATE triggers SET file = :file, version = :version, account = :account WHERE id = :id

-- name: retry_failing
UPDATE triggers SET next_due = :now WHERE active = 1 AND failures > 0 AND next_due > :now

-- name: poll_now
UPDATE triggers SET next_due = :now, pending_at = NULL, list_due = NULL
WHERE active = 1 AND claim = 0 AND paused = 0 AND interval_s > 0 AND state <> 'unavailable' AND next_due > :now
    AND (failures > 0 OR delayed IS NOT NULL) AND id IN (SELECT value FROM json_each(:ids))
RETURNING id

-- name: retry_pending
UPDATE pending_changes SET due_at = :now WHERE tries > 0 AND due_at > :now

-- name: repair_due
UPDATE triggers SET next_due = :now
WHERE active = 1 AND interval_s > 0 AND (next_due IS NULL OR next_due >= '3') AND state <> 'unavailable'
RETURNING workflow, name

-- name: put_version
INSERT INTO versions (version, text) VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: adopt_items
UPDATE OR REPLACE items SET trigger_id = :new WHERE trigger_id = :old

-- name: adopt_events
UPDATE OR IGNORE events SET trigger_id = :new, workflow = :workflow, "trigger" = :shown WHERE trigger_id = :old

-- name: adopt_echoes
UPDATE echoes SET trigger_id = :new WHERE trigger_id = :old

-- name: adopt_internal_events
UPDATE OR IGNORE internal_events SET trigger_id = :new WHERE trigger_id = :old

-- name: triggers_that_miss
SELECT 1 FROM triggers WHERE type = :type AND id NOT IN (SELECT value FROM json_each(:known)) LIMIT 1

-- name: keep_internal_event
INSERT OR IGNORE INTO internal_events (trigger_id, id, type, item, chain, cause, raised_at)
SELECT triggers.id, :id, :type, :item, :chain, :cause, :now FROM triggers
WHERE type = :type AND triggers.id NOT IN (SELECT value FROM json_each(:known))

-- name: kept_internal_events
SELECT seq, trigger_id, id, type, item, chain, cause FROM internal_events
WHERE trigger_id IN (SELECT value FROM json_each(:ids)) ORDER BY seq LIMIT :limit

-- name: prune_internal_events
DELETE FROM internal_events WHERE raised_at < :before

-- name: adopt_pending_changes
UPDATE pending_changes SET trigger_id = :new WHERE trigger_id = :old

-- name: rename_runs
UPDATE OR IGNORE runs SET workflow = (SELECT value FROM json_each(:names) WHERE key = runs.workflow)
WHERE workflow IN (SELECT key FROM json_each(:names))

-- name: rename_runs_of_trigger
UPDATE OR IGNORE runs SET workflow = :new
WHERE workflow = :old AND event_id IN (SELECT id FROM events WHERE trigger_id = :trigger_id)

-- name: rename_held_runs
UPDATE runs SET held_by = (SELECT value FROM json_each(:names) WHERE key = runs.held_by)
WHERE held_by IN (SELECT key FROM json_each(:names))

-- name: rename_alerts
UPDATE alerts SET name = (SELECT value FROM json_each(:names) WHERE key = alerts.name)
WHERE name IN (SELECT key FROM json_each(:names)) AND what LIKE :what

-- name: forget_trigger
UPDATE triggers SET
    state = iif(state = 'unavailable' OR interval_s = 0, state, 'baseline_pending'),
    next_due = iif(interval_s = 0, NULL, :now), late_since = NULL, baseline_at = NULL, rules = NULL, body_hash = NULL,
    pending_at = NULL, list_due = NULL, delayed = NULL,
    cursor = '{}', epoch = :epoch,
    failures = 0, error = iif(state = 'unavailable', error, NULL), error_class = NULL,
    generation = generation + 1, changed_at = :now, claim = 0, lease_until = NULL
WHERE id = :trigger_id AND active = 1

-- name: put_event
INSERT INTO events
    (id, trigger_id, "trigger", workflow, type, kind, event_type, key, detected_at, payload, changes, backfill,
    chain, cause, raised)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- name: put_run
INSERT INTO runs
    (id, workflow, version, event_id, created_at, state, reason, started_at, finished_at, due_at, replay,
    lane, lane_max, order_value, batch_max, gathering)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (event_id, workflow, replay) DO NOTHING

-- name: gathering_runs
SELECT 1 FROM runs WHERE workflow = :workflow AND gathering IS NOT NULL LIMIT 1

-- name: close_batches
UPDATE runs SET gathering = NULL, due_at = min(due_at, :now), reason = NULL
WHERE workflow = :workflow AND gathering IS NOT NULL AND state = 'pending'

-- name: close_batch
UPDATE runs SET gathering = NULL, due_at = min(due_at, :now), reason = NULL WHERE id = :run_id

-- name: open_batch
SELECT id, gathering FROM runs
WHERE workflow = :workflow AND gathering IS NOT NULL AND state = 'pending' AND order_value IS :order_value
ORDER BY seq DESC LIMIT 1

-- name: join_batch
UPDATE runs SET
    event_id = :event_id, version = :version, batch_max = :batch_max, gathering = :gathering,
    due_at = iif(:full, min(due_at, :now), due_at), reason = iif(:full, NULL, reason)
WHERE id = :run_id

-- name: put_batch
INSERT INTO batches (run_id, place, event_id) VALUES (?, ?, ?)

-- name: count_replay
UPDATE events SET replays = replays + 1 WHERE id = ? RETURNING replays

-- name: resume_runs
UPDATE runs SET
    state = 'pending', reason = NULL, due_at = :now, held_by = NULL, started_at = NULL,
    resumes = resumes + 1, resumed_at = :now, resumed_by = :by, ending_step = NULL, waits_for = NULL, time_left_s = NULL
WHERE state = 'paused' AND (:run_id IS NULL OR id = :run_id) AND (:workflow IS NULL OR workflow = :workflow)
    AND (held_by IS NULL OR held_by NOT IN (SELECT kind || '/' || name FROM pauses))
RETURNING id

-- name: stay_paused
UPDATE runs SET reason = :reason, waits_for = :waits_for WHERE id = :run_id AND state = 'paused'

-- name: resume_held_runs
UPDATE runs SET
    state = 'pending', reason = NULL, due_at = :now, held_by = NULL, started_at = NULL,
    resumed_at = :now, resumed_by = held_by
WHERE state = 'paused' AND held_by = :held_by AND (:run_id IS NULL OR id = :run_id)
RETURNING id

-- name: wake_unheld_runs
UPDATE runs SET
    state = 'pending', reason = NULL, due_at = :now, held_by = NULL, started_at = NULL,
    resumed_at = :now, resumed_by = held_by
WHERE state = 'paused' AND held_by IS NOT NULL AND held_by NOT IN (SELECT kind || '/' || name FROM pauses)
RETURNING id

-- name: wake_undue_runs
UPDATE runs SET due_at = :now
WHERE seq IN (
    SELECT seq FROM runs
    WHERE claim = 0 AND lane IS NULL AND state IN ('pending', 'running', 'waiting') AND (due_at IS NULL OR due_at >= '3')
    UNION ALL
    SELECT seq FROM runs
    WHERE claim = 0 AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting') AND (due_at IS NULL OR due_at >= '3')
)
RETURNING id

-- name: hasten_runs
UPDATE runs SET due_at = :now
WHERE seq IN (
    SELECT seq FROM runs
    WHERE claim = 0 AND lane IS NULL AND state IN ('pending', 'running', 'waiting') AND due_at > :now
        AND state = 'pending' AND gathering IS NULL
    UNION ALL
    SELECT seq FROM runs
    WHERE claim = 0 AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting') AND due_at > :now
        AND state = 'pending' AND gathering IS NULL
)

-- name: free_slots
UPDATE runs SET slot = 0 WHERE slot = 1 AND state NOT IN ('pending', 'running', 'waiting')

-- name: sleeping_runs
SELECT workflow, count(*) FROM (
    SELECT workflow FROM runs
    WHERE state = 'paused' AND held_by IS NOT NULL AND held_by NOT IN (SELECT kind || '/' || name FROM pauses)
    UNION ALL
    SELECT workflow FROM runs
    WHERE claim = 0 AND lane IS NULL AND state IN ('pending', 'running', 'waiting') AND (due_at IS NULL OR due_at >= '3')
    UNION ALL
    SELECT workflow FROM runs
    WHERE claim = 0 AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting') AND (due_at IS NULL OR due_at >= '3')
    UNION ALL
    SELECT workflow FROM runs WHERE slot = 1 AND state NOT IN ('pending', 'running', 'waiting')
)
GROUP BY workflow

-- name: is_paused
SELECT 1 FROM pauses WHERE kind || '/' || name = :held_by

-- name: put_alert
INSERT INTO alerts (id, at, what, name, message, facts, chain, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: untold_alerts
SELECT id, at, what, name, message, facts, chain, cause FROM alerts WHERE told = 0 ORDER BY seq LIMIT 100

-- name: latest_alert
SELECT what FROM alerts
WHERE name = :name AND what IN (SELECT value FROM json_each(:whats)) ORDER BY seq DESC LIMIT 1

-- name: streak_of_run
SELECT run.workflow, event.type, coalesce(event.chain, '[]'), coalesce(streak.failures, 0), coalesce(streak.alerted, 0)
FROM runs AS run
LEFT JOIN events AS event ON event.id = run.event_id LEFT JOIN streaks AS streak ON streak.workflow = run.workflow
WHERE run.id = ?

-- name: count_held
SELECT held_by, count(*) FROM runs WHERE held_by IS NOT NULL AND state = 'paused' GROUP BY held_by

-- name: pauses
SELECT kind, name, cause, since, reason, advice, by_request, tries, try_at, trial FROM pauses ORDER BY since, kind, name

-- name: put_pause
INSERT OR REPLACE INTO pauses (kind, name, cause, since, reason, advice, by_request, tries, try_at, trial)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: triggers_and_pauses
SELECT id, workflow, name, connection, paused, state, error, baseline_at, active FROM triggers
WHERE active = 1 OR paused = 1 ORDER BY seq

-- name: pause_trigger
UPDATE triggers SET
    paused = :paused, state = :state, error = :error, error_class = :error_class,
    next_due = iif(:due AND interval_s > 0, :now, next_due), late_since = NULL,
    generation = generation + 1, claim = 0, lease_until = NULL
WHERE id = :id

-- name: cancel_run
UPDATE runs SET
    state = 'cancelled', reason = :reason, finished_at = :wall, due_at = NULL, claim = 0, lease_until = NULL,
    slot = 0
WHERE id = :run_id AND state IN ('pending', 'running', 'waiting', 'paused')

-- name: cancel_attempts
UPDATE attempts SET state = 'unknown', error = :reason, finished_at = :now
WHERE run_id = :run_id AND state = 'running'

-- name: any_due_run
SELECT 1 FROM runs
WHERE claim = 0 AND lane IS NULL AND state IN ('pending', 'running', 'waiting') AND due_at <= :now LIMIT 1

-- name: due_runs
SELECT due_at, seq FROM runs
WHERE claim = 0 AND lane IS NULL AND state IN ('pending', 'running', 'waiting') AND due_at <= :now
ORDER BY due_at, seq LIMIT :limit

-- name: lanes_due
SELECT DISTINCT workflow FROM runs INDEXED BY runs_due_in_lanes
WHERE claim = 0 AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting') AND due_at <= :now

-- name: lane_slots
SELECT count(*), min(id) FROM runs WHERE workflow = :workflow AND slot = 1

-- name: lane_candidates
SELECT seq, id, workflow, due_at, lane, lane_max, started_at IS NOT NULL OR claims > 0, slot FROM runs AS run
WHERE workflow = :workflow AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting', 'paused')
    AND claim = 0 AND state <> 'paused' AND due_at <= :now
    AND (slot = 1 OR order_value IS NULL OR seq IN (
        SELECT min(seq) FROM runs INDEXED BY runs_ordered
        WHERE workflow = :workflow AND order_value IS NOT NULL
            AND state IN ('pending', 'running', 'waiting', 'paused')
        GROUP BY order_value
    ) AND NOT EXISTS (
        SELECT 1 FROM runs AS other
        WHERE other.workflow = :workflow AND other.slot = 1 AND other.order_value = run.order_value
    ))
ORDER BY slot DESC, seq LIMIT 1000

-- name: filter_run
UPDATE runs SET state = 'filtered', reason = :reason, finished_at = :wall, due_at = NULL WHERE seq = :seq

-- name: supersede_runs
UPDATE runs SET
    state = 'cancelled', reason = :reason, finished_at = :wall, due_at = NULL, claim = 0, lease_until = NULL,
    slot = 0
WHERE seq IN (
    SELECT seq FROM runs
    WHERE workflow = :workflow AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting', 'paused')
        AND seq < :seq AND gathering IS NULL
    UNION SELECT seq FROM runs WHERE workflow = :workflow AND slot = 1 AND seq < :seq
)
RETURNING id

-- name: next_run_due
SELECT min(due_at) FROM (
    SELECT min(due_at) AS due_at FROM runs
    WHERE claim = 0 AND lane IS NULL AND state IN ('pending', 'running', 'waiting') AND due_at > :now
    UNION ALL
    SELECT min(due_at) FROM runs
    WHERE claim = 0 AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting') AND due_at > :now
)

-- name: claim_runs
UPDATE runs SET
    claim = :claim, claims = claims + 1, lease_until = :lease_until, state = 'running',
    started_at = coalesce(started_at, :now), slot = 1,
    gathering = NULL, waits_for = NULL
WHERE claim = 0 AND state IN ('pending', 'running', 'waiting') AND seq IN (SELECT value FROM json_each(:seqs))
RETURNING due_at, seq, id, workflow, version, event_id, created_at, state, reason, started_at, finished_at,
    due_at, claim, replay, lane, lane_max, order_value, held_by, batch_max, claims, resumes, resumed_at, resumed_by,
    ending_step, waits_for, time_left_s

-- name: hand_over_runs
UPDATE runs SET
    claim = :claim, claims = claims + 1, lease_until = :lease_until, state = 'running', started_at = :now, slot = 1
WHERE seq IN (
    SELECT seq FROM runs
    WHERE id IN (SELECT value FROM json_each(:ids)) AND claim = 0 AND lane IS NULL AND state = 'pending'
        AND started_at IS NULL AND gathering IS NULL AND due_at <= :now
    ORDER BY seq LIMIT :limit
)
RETURNING seq

-- name: run_is_held
SELECT 1 FROM runs WHERE id = :run_id AND claim = :claim AND claim <> 0

-- name: end_run_at
UPDATE runs SET ending_step = :ending_step WHERE id = :run_id

-- name: wake_runs
UPDATE runs SET due_at = :now
WHERE seq IN (
    SELECT runs.seq FROM attempts INDEXED BY attempts_until CROSS JOIN runs ON runs.id = run_id
    WHERE use = 'wait_until' AND attempts.state = 'running' AND json_extract(attempts.output, '$.until') <= :wall
        AND claim = 0 AND runs.state IN ('pending', 'waiting') AND due_at > :now
        AND (ending_step IS NULL OR address LIKE 'on_failure/%')
)

-- name: leave_run
UPDATE runs SET
    state = :state, reason = :reason, due_at = :due_at, finished_at = :finished_at, claim = 0, lease_until = NULL,
    slot = iif(:state IN ('pending', 'waiting'), slot, 0), held_by = :held_by, abandoned = 0, waits_for = :waits_for,
    ending_step = coalesce(:ending_step, ending_step), time_left_s = coalesce(:time_left_s, time_left_s)
WHERE id = :run_id AND claim = :claim AND claim <> 0

-- name: put_attempt
INSERT OR REPLACE INTO attempts
    (run_id, address, attempt, use, state, output, error, error_class, started_at, finished_at, retry_at, evidence,
    series)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: put_mark
INSERT INTO marks (witnessed_s, at, event_seq, run_seq)
SELECT :witnessed_s, :wall, coalesce((SELECT max(seq) FROM events), 0), coalesce((SELECT max(seq) FROM runs), 0)
WHERE NOT EXISTS (SELECT 1 FROM marks WHERE witnessed_s > :witnessed_s - :apart_s)

-- name: mark_before
SELECT at, event_seq, run_seq FROM marks WHERE witnessed_s <= :most ORDER BY witnessed_s DESC LIMIT 1

-- name: prune_alerts
DELETE FROM alerts WHERE told = 1 AND at < :before

-- name: old_runs
SELECT seq, id, (SELECT count(*) FROM attempts WHERE run_id = runs.id) FROM runs
WHERE finished_at < :before AND (:last IS NULL OR seq <= :last) AND state IN ('succeeded', 'failed', 'filtered', 'cancelled')
ORDER BY finished_at LIMIT :limit

-- name: thin_out_run
DELETE FROM attempts WHERE (run_id, address, attempt) IN (
    SELECT run_id, address, attempt FROM attempts WHERE run_id = :run_id LIMIT :limit
)

-- name: prune_attempts
DELETE FROM attempts WHERE run_id IN (SELECT value FROM json_each(:ids))

-- name: prune_batches
DELETE FROM batches WHERE run_id IN (SELECT value FROM json_each(:ids))

-- name: prune_runs
DELETE FROM runs WHERE seq IN (SELECT value FROM json_each(:seqs))

-- name: old_events
SELECT detected_at, seq FROM events
WHERE detected_at < :before AND (detected_at, seq) > (:detected_at, :seq) AND (:last IS NULL OR seq <= :last)
    AND NOT EXISTS (SELECT 1 FROM runs WHERE event_id = events.id)
    AND NOT EXISTS (SELECT 1 FROM batches WHERE event_id = events.id)
ORDER BY detected_at, seq LIMIT :limit

-- name: prune_events
DELETE FROM events WHERE seq IN (SELECT value FROM json_each(:seqs))
    AND NOT EXISTS (SELECT 1 FROM runs WHERE event_id = events.id)
    AND NOT EXISTS (SELECT 1 FROM batches WHERE event_id = events.id)

-- name: suspects
SELECT id, workflow, name, type, connection, fingerprint, interval_s, state, next_due, error, paused, late_since,
    delayed
FROM triggers
WHERE active = 1 AND (state = 'suspended' OR state <> 'unavailable' AND coalesce(late_since, next_due) < :now)
ORDER BY workflow, name, seq

-- name: runs_for_a_person
SELECT workflow, count(*) FROM runs INDEXED BY runs_paused WHERE state = 'paused' AND held_by IS NULL
GROUP BY workflow

-- name: figures_of_states
SELECT workflow, state, count(*) FROM triggers WHERE active = 1 GROUP BY workflow, state

-- name: figures_of_workflows
SELECT workflow, sum(events), min(iif(active = 1 AND next_due IS NOT NULL, last_ok, NULL)),
    max(iif(active = 1, lag_p99_ms, NULL)),
    min(iif(active = 1 AND paused = 0 AND state <> 'unavailable', coalesce(late_since, next_due), NULL))
FROM triggers GROUP BY workflow HAVING max(active) = 1

-- name: figures_of_runs
SELECT workflow, state, count(*), coalesce(sum(due_at <= :now), 0), min(iif(due_at <= :now, due_at, NULL)) FROM runs
INDEXED BY runs_due WHERE claim = 0 AND lane IS NULL AND state IN ('pending', 'running', 'waiting')
GROUP BY workflow, state
UNION ALL
SELECT workflow, state, count(*), coalesce(sum(due_at <= :now), 0), min(iif(due_at <= :now, due_at, NULL)) FROM runs
INDEXED BY runs_due_in_lanes WHERE claim = 0 AND lane IS NOT NULL AND state IN ('pending', 'running', 'waiting')
GROUP BY workflow, state
UNION ALL
SELECT workflow, state, count(*), 0, NULL FROM runs INDEXED BY runs_leased WHERE claim <> 0 GROUP BY workflow, state
UNION ALL
SELECT workflow, state, count(*), 0, NULL FROM runs INDEXED BY runs_paused WHERE state = 'paused'
GROUP BY workflow, state

-- name: put_daemon
INSERT OR REPLACE INTO daemon (only, at, info) VALUES (1, :at, :info)

-- name: put_echo
INSERT INTO echoes (trigger_id, run_id, address, method, path, body, key, sent_at, acknowledged_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: expected_echoes
SELECT seq, trigger_id, run_id, address, method, path, body, key, sent_at, acknowledged_at FROM echoes
WHERE trigger_id = :trigger_id AND outcome IS NULL ORDER BY coalesce(acknowledged_at, sent_at), seq

-- name: drop_doubt
DELETE FROM echoes WHERE trigger_id = :trigger_id AND outcome IS NULL AND acknowledged_at IS NULL
    AND run_id = :run_id AND address = :address AND method = :method AND path = :path
    AND sent_at = coalesce(:sent_at, sent_at)

-- name: settle_echo
UPDATE echoes SET outcome = ?, seen_at = ? WHERE seq = ?

-- name: prune_echoes
DELETE FROM echoes WHERE coalesce(acknowledged_at, sent_at) < :before
