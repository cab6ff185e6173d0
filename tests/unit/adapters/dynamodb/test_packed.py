"""Packing JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.dynamodb.packed import SMALL, fitting, pack, unpack
from tidegate.errors import InvocationError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_what_is_packed_unpacks_to_the_same(value: Any) -> None:
    assert unpack(pack(value)) == value


@given(st.text(alphabet="a\udc80\udcff", min_size=1))
def test_half_a_surrogate_pair_survives(text: str) -> None:
    assert unpack(pack(text * 200)) == text * 200


def test_what_is_large_is_compressed_and_what_is_small_stays_readable() -> None:
    small, large = {"a": 1}, {"config": ["the same"] * 1000}

    assert pack(small) == b'{"a":1}'
    assert len(pack(large)) < SMALL


def test_what_does_not_compress_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "0123456789abcdef" * 40
    monkeypatch.setattr("zlib.compress", lambda plain, level: b"x" * len(plain))

    assert pack(value) == f'"{value}"'.encode()


def test_what_would_not_fit_a_row_is_refused_with_its_size() -> None:
    with pytest.raises(
        InvocationError, match=r"^The config takes 400 KB, compressed; 300 KB fit. Cut"
    ):
        fitting(b"x" * 400 * 1024, "The config", "Cut it.")
