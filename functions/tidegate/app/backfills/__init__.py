"""Backfills: ``backfill.py`` for people, ``drive.py`` for what makes them go on."""
