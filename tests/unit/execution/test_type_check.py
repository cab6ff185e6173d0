"""Which values fit which annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Optional, Protocol, TypedDict, TypeVar, Union

import numpy as np
import pandas as pd
import pytest

from tidegate.execution.type_check import fits

T = TypeVar("T")


class Row(TypedDict):
    a: int


class Closes(Protocol):
    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, int),
        (1, Any),
        (1, float),
        (np.int64(1), int),
        (np.float64(1), float),
        (None, None),
        (None, Optional[int]),  # noqa: UP045 - the old form is another object
        (1, Optional[int]),  # noqa: UP045 - the old form is another object
        ("a", Union[int, str]),  # noqa: UP007 - the old form is another object
        ("a", int | str),
        ([1], list[int]),
        ([1], Sequence[int]),
        ((1, "a"), tuple[int, str]),
        ((1, 2, 3), tuple[int, ...]),
        ({"a": [1]}, dict[str, list[int]]),
        ({"a": 1}, Mapping[str, int]),
        (iter([1]), Iterable[str]),
        (pd.DataFrame(), pd.DataFrame),
        ("a", Literal["a", "b"]),
        (1, Annotated[int, "rows"]),
        ({"a": "wrong, and not looked at"}, Row),
        (1, Closes),
        (1, T),
        (1, "NotDefined"),
        (len, Callable[[Any], int]),
        ([*range(5000), "late"], list[int]),
    ],
)
def test_fits(value: Any, annotation: Any) -> None:
    assert fits(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("1", int),
        (1.5, int),
        (1, None),
        (1, str),
        (None, int),
        (1.5, int | str),
        (["a"], list[int]),
        ("abc", list[str]),
        ((1,), tuple[int, str]),
        ((1, "a"), tuple[int, ...]),
        ({"a": "b"}, dict[str, int]),
        ({1: 1}, dict[str, int]),
        ([1], pd.DataFrame),
        ("c", Literal["a", "b"]),
        ("x", Annotated[int, "rows"]),
        (1, Iterable[int]),
    ],
)
def test_does_not_fit(value: Any, annotation: Any) -> None:
    assert not fits(value, annotation)
