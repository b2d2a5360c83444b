"""NOUNS: the values every other room speaks in. Pure; no clock, no I/O, no logging."""
