"""Measurements, run by hand (``make bench``) and quoted in docs/performance.md. Nothing here is a test."""
