-- Events may be raised by runs: through which workflows they came (a JSON list of names), and by which run.

ALTER TABLE events ADD COLUMN chain TEXT NOT NULL DEFAULT '[]';
ALTER TABLE events ADD COLUMN cause TEXT;
