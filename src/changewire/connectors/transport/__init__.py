"""The way to the network and back: nothing above it opens a connection."""
