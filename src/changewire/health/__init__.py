"""What the daemon says of itself to those who watch over it: what needs a person, and figures, by HTTP."""
