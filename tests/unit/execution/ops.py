"""Ops that most jobs of these tests are made of."""

from __future__ import annotations

from tidegate import (
    asset,
    op,
)


@op
def one() -> int:
    return 1


@asset
def raw() -> list[int]:
    return [1, 2]
