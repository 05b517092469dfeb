-- What an internal event is of: the same thing that is raised again is no other event, also if its trigger was renamed.

ALTER TABLE events ADD COLUMN raised TEXT;
CREATE UNIQUE INDEX events_raised ON events (trigger_id, raised, event_type) WHERE raised IS NOT NULL;
