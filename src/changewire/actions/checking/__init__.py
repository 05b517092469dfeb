"""Steps and their expressions held against what there is, before anything runs."""
