"""Processes in which the code of actions runs, so that it can be killed: a small pool, and a pipe to each of them."""
