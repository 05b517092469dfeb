-- When the poll that has not happened yet was due first; NULL: at next_due. The request budget may put a poll off many
-- times, and each time it is as late as it is.

ALTER TABLE triggers ADD COLUMN late_since TEXT;
