"""The endpoints: what the stand-in answers."""
