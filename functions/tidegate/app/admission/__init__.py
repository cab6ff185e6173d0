"""Admission: one engine for every limit. ``engine.py`` first."""
