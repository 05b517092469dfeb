"""Actions: what can be done, how a run is carried from step to step, and when a step is tried again."""
