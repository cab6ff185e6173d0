"""A value that is stored and loaded again is the same value, of the same type."""

from __future__ import annotations

import datetime as dt
import decimal
import pickle
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from tidegate.errors import OutputError
from tidegate.execution.value_format import decode, encode

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(codec=None)),
    st.binary(max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), inner, max_size=4),
    ),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left), list(right)) and same(list(left.values()), list(right.values()))
    return bool(left == right) and (not isinstance(left, float) or str(left) == str(right))


def back(value: Any) -> Any:
    encoded = encode(value)
    return decode(encoded.body, encoded.format)


@given(VALUES)
def test_plain_values_come_back_equal_and_of_the_same_types(value: Any) -> None:
    assert same(back(value), value)


@pytest.mark.parametrize(
    ("value", "format"),
    [
        ({"a": [1, 2.5, None, "x", True]}, "json"),
        ([], "json"),
        ((1, 2), "pickle"),
        ({1: "a"}, "pickle"),
        ([(1,)], "pickle"),
        (float("inf"), "pickle"),
        ({1, 2}, "pickle"),
        ([10**5000], "pickle"),
        (np.float64(1.5), "pickle"),
        (dt.date(2024, 1, 1), "pickle"),
        (b"abc", "bytes"),
        (b"\x89PNG\r\n\x1a\n...", "png"),
        (bytearray(b"abc"), "pickle"),
    ],
)
def test_json_is_used_only_where_it_carries_the_value_exactly(value: Any, format: str) -> None:
    encoded = encode(value)

    assert encoded.format == format
    assert same(decode(encoded.body, format), value)


def test_a_list_within_itself_is_pickled() -> None:
    loop: list[Any] = []
    loop.append(loop)

    assert encode(loop).format == "pickle"


FRAMES = {
    "plain": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "empty": pd.DataFrame(),
    "numbered columns": pd.DataFrame([[1, 2], [3, 4]]),
    "columns of two levels": pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    ),
    "times": pd.DataFrame(
        {"a": [1.0, np.nan]},
        index=pd.DatetimeIndex(["2020-01-01", "2020-01-02"], name="d", tz="Europe/Berlin"),
    ),
    "categories": pd.DataFrame({"c": pd.Categorical(["x", "y"])}),
    "dates": pd.DataFrame({"a": [dt.date(2020, 1, 1)]}),
    "decimals": pd.DataFrame({"a": [decimal.Decimal("1.50")]}),
    "bytes": pd.DataFrame({"a": [b"x", b"y"]}),
    "periods": pd.DataFrame({"p": pd.period_range("2020-01", "2020-02", freq="M")}),
    "attributes": pd.DataFrame({"a": [1]}),
}
FRAMES["attributes"].attrs["unit"] = "m"
PICKLED_FRAMES = {
    "mixed": pd.DataFrame({"m": [1, "x"]}),
    "lists": pd.DataFrame({"l": [[1], [2, 3]]}),
    "dicts": pd.DataFrame({"l": [{"a": 1}, {"b": 2}]}),
    "two columns of one name": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "complex": pd.DataFrame({"a": [1 + 2j]}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_data_frame_is_stored_as_parquet_and_comes_back_equal(name: str) -> None:
    encoded = encode(FRAMES[name])

    assert (encoded.format, encoded.body[:4]) == ("parquet", b"PAR1")
    found = decode(encoded.body, encoded.format)
    pd.testing.assert_frame_equal(found, FRAMES[name], check_freq=False)
    assert found.attrs == FRAMES[name].attrs


@pytest.mark.parametrize("name", PICKLED_FRAMES)
def test_a_data_frame_that_parquet_would_change_is_pickled(name: str) -> None:
    encoded = encode(PICKLED_FRAMES[name])

    assert encoded.format == "pickle"
    pd.testing.assert_frame_equal(decode(encoded.body, "pickle"), PICKLED_FRAMES[name])


@pytest.mark.parametrize("name", ["n", None, ("a", 1), 3])
def test_a_series_keeps_its_name(name: Any) -> None:
    series = pd.Series([1.5, 2.5], name=name)

    encoded = encode(series)

    assert encoded.format == "series.parquet"
    pd.testing.assert_series_equal(decode(encoded.body, encoded.format), series)


def test_a_subclass_of_a_data_frame_stays_one() -> None:
    assert type(back(Special({"a": [1]}))) is Special


class Special(pd.DataFrame):
    @property
    def _constructor(self) -> Any:
        return Special


def test_a_value_that_cannot_be_pickled_is_an_error_with_a_mend() -> None:
    with pytest.raises(OutputError, match=r"of type function cannot be pickled.*Return plain data"):
        encode(lambda: 1)


@pytest.mark.parametrize(
    ("body", "format"), [(b"{", "json"), (pickle.dumps([1])[:-1], "pickle"), (b"x", "parquet")]
)
def test_bytes_that_cannot_be_read_are_an_error_with_a_mend(body: bytes, format: str) -> None:
    with pytest.raises(OutputError, match=f"stored as {format} and cannot be read"):
        decode(body, format)


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(OutputError, match="unknown format 'text/csv'"):
        decode(b"", "text/csv")
