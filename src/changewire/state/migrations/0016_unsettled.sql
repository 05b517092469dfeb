-- A poll that only looks for new items reads the items of its answer, and those whose candidate has not settled.

CREATE INDEX items_unsettled ON items (trigger_id) WHERE candidate IS NOT NULL;
