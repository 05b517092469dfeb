"""Trigger types, when to poll, how to read, and what counts as a change."""
