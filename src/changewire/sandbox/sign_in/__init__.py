"""The stand-in's sign-in server: apps, people, tokens."""
