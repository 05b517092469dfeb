-- How often the run was claimed: whoever left it can tell by this that nobody else had it since.

ALTER TABLE runs ADD COLUMN claims INTEGER NOT NULL DEFAULT 0;
