"""A home: what its files say together, read and checked as a whole."""
