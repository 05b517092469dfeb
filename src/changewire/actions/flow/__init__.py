"""How a run is carried from step to step, and what happens when a step does not succeed."""
