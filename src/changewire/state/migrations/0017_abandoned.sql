-- How often in a row a run was claimed and given up by a fault, without ending, waiting or pausing in between.

ALTER TABLE runs ADD COLUMN abandoned INTEGER NOT NULL DEFAULT 0;
