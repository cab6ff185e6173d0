"""Partition definitions, their mappings, and sets of partitions: ``definition.py`` first."""
