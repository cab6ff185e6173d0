"""Ids that repeat."""

from __future__ import annotations

from random import Random

from tidegate.adapters.ids import TimeOrderedIds


def seeded_ids(seed: int = 0) -> TimeOrderedIds:
    """The same ids in the same order, each time."""
    return TimeOrderedIds(Random(seed).randbytes)
