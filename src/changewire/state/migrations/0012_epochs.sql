-- Each memory of a trigger has a number that no other memory ever had: a new one for a new trigger and at each reset. It
-- is part of the id of every event, so an id cannot repeat, whatever is deleted and whatever a clock says.

CREATE TABLE epochs (last INTEGER NOT NULL);
INSERT INTO epochs (last) SELECT coalesce(max(seq), 0) FROM triggers;
ALTER TABLE triggers ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
UPDATE triggers SET epoch = seq;
UPDATE triggers SET cursor = json_remove(cursor, '$.resets') WHERE json_extract(cursor, '$.resets') IS NOT NULL;
