"""Rows in the order of their keys, as a partition of a table keeps them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import Generic, TypeVar

Row = TypeVar("Row")

_WIDTH = 512


class SortedRows(Generic[Row]):
    """A mapping by text keys whose first rows cost the same whatever its size.

    The keys are in chunks, each sorted and none longer than twice ``_WIDTH``, so that adding or removing one moves few.
    """

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._chunks: list[list[str]] = []
        self._lasts: list[str] = []

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> Row | None:
        return self._rows.get(key)

    def put(self, key: str, row: Row) -> None:
        if key not in self._rows:
            self._add(key)
        self._rows[key] = row

    def discard(self, key: str) -> None:
        if self._rows.pop(key, None) is None:
            return
        place = bisect_left(self._lasts, key)
        chunk = self._chunks[place]
        del chunk[bisect_left(chunk, key)]
        if chunk:
            self._lasts[place] = chunk[-1]
        else:
            del self._chunks[place], self._lasts[place]

    def first(self, count: int) -> list[Row]:
        return [self._rows[key] for key in islice(self._keys(), count)]

    def first_from(self, key: str, count: int) -> list[Row]:
        place = bisect_left(self._lasts, key)
        found: list[Row] = []
        for chunk in islice(self._chunks, place, None):
            begin = bisect_left(chunk, key) if not found else 0
            found += [self._rows[one] for one in chunk[begin : begin + count - len(found)]]
            if len(found) >= count:
                break
        return found

    def count_before(self, key: str, at_most: int) -> int:
        found = 0
        for chunk in self._chunks:
            if chunk[-1] < key and found < at_most:
                found += len(chunk)
            else:
                found += bisect_left(chunk, key)
                break
        return min(found, at_most)

    def _keys(self) -> Iterator[str]:
        for chunk in self._chunks:
            yield from chunk

    def _add(self, key: str) -> None:
        if not self._chunks:
            self._chunks.append([key])
            self._lasts.append(key)
            return
        place = min(bisect_left(self._lasts, key), len(self._chunks) - 1)
        chunk = self._chunks[place]
        insort(chunk, key)
        self._lasts[place] = chunk[-1]
        if len(chunk) > 2 * _WIDTH:
            self._chunks[place : place + 1] = [chunk[:_WIDTH], chunk[_WIDTH:]]
            self._lasts[place : place + 1] = [chunk[_WIDTH - 1], chunk[-1]]
