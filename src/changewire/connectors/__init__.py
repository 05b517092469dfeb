"""What is known about each API: hosts, sign-in, budget, failures; and the client that talks to it."""
