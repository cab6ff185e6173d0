"""Decisions, pure. Imports the standard library and ``errors`` only; clock, ids and randomness are arguments."""
