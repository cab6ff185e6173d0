"""Ops that graphs of tests are made of."""

from __future__ import annotations

from typing import Any

from tidegate import (
    Out,
    op,
)


@op
def one() -> int:
    return 1


@op
def add(a: int, b: int = 2) -> int:
    return a + b


@op
def total(xs: list[int]) -> int:
    return sum(xs)


@op(out={"left": Out(), "right": Out(is_required=False)})
def two() -> Any: ...
