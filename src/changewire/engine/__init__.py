"""The work of a home: polls from claim to commit, what is told inside, connections that are mended, and the workers."""
