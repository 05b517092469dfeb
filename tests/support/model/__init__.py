"""A model checker: a daemon without threads, driven step by step through random histories, against a naive model."""
