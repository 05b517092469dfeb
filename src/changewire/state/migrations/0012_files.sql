-- Where a trigger comes from, as evidence of who may take over its memory: its file, the version of its text, and the
-- account of its connection. Empty: it was stored before these were kept.

ALTER TABLE triggers ADD COLUMN file TEXT NOT NULL DEFAULT '';
ALTER TABLE triggers ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE triggers ADD COLUMN account TEXT NOT NULL DEFAULT '';
