"""What was seen and done: triggers with their memory, events, runs and attempts, in one SQLite file."""
