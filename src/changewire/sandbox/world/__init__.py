"""The account that the stand-in keeps, and everything that can happen in it."""
