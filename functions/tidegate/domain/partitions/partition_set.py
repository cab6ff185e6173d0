"""Sets of partitions, as sets of numbers: bitmaps in containers, of which full ones cost nothing.

A partitions definition numbers its keys (``domain/partition_space.py``); everything that is said of many partitions at
once is said of their numbers. A million consecutive numbers are a few references, and written down a few hundred bytes;
union, intersection and difference are a handful of operations on whole numbers, whatever is in the sets.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tidegate.errors import RequestError

WIDTH = 1 << 14
"""Numbers in one container."""
FULL = (1 << WIDTH) - 1
MOST_RANGES = 64
"""A set of at most so many ranges is written as ranges, which people can read; others as bitmaps."""

Range = tuple[int, int]
"""From the first number up to, and without, the second."""


class PartitionSet:
    """An immutable set of numbers from 0 on."""

    __slots__ = ("_containers", "_sorted")

    def __init__(self, containers: Mapping[int, int] | None = None) -> None:
        """Container number -> its bits. For ``from_ranges`` and the like; nothing is checked."""
        self._containers: Mapping[int, int] = containers or {}
        self._sorted: tuple[int, ...] | None = None

    # Making one

    @classmethod
    def of(cls, numbers: Iterable[int]) -> PartitionSet:
        found: dict[int, bytearray] = {}
        for number in numbers:
            container, place = divmod(number, WIDTH)
            bits = found.get(container)
            if bits is None:
                bits = found[container] = bytearray(WIDTH // 8)
            bits[place >> 3] |= 1 << (place & 7)
        return cls({key: _shared(int.from_bytes(bits, "little")) for key, bits in found.items()})

    @classmethod
    def range(cls, start: int, stop: int) -> PartitionSet:
        return cls.from_ranges(((start, stop),))

    @classmethod
    def from_ranges(cls, ranges: Iterable[Range]) -> PartitionSet:
        found: dict[int, int] = {}
        for start, stop in ranges:
            if stop <= start:
                continue
            first, last = start // WIDTH, (stop - 1) // WIDTH
            for key in range(first, last + 1):
                low = start - key * WIDTH if key == first else 0
                high = stop - key * WIDTH if key == last else WIDTH
                bits = FULL if high - low == WIDTH else ((1 << (high - low)) - 1) << low
                found[key] = found.get(key, 0) | bits
        return cls({key: _shared(bits) for key, bits in found.items()})

    # Asking

    def __bool__(self) -> bool:
        return bool(self._containers)

    def __len__(self) -> int:
        return sum(WIDTH if one is FULL else one.bit_count() for one in self._containers.values())

    def __contains__(self, number: int) -> bool:
        container, place = divmod(number, WIDTH)
        return bool(self._containers.get(container, 0) >> place & 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionSet) and self._containers == other._containers

    def __hash__(self) -> int:
        return hash(frozenset(self._containers.items()))

    def __repr__(self) -> str:
        shown = [f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in _some(self.ranges(), 6)]
        return f"PartitionSet({', '.join(shown[:5])}{', ...' if len(shown) > 5 else ''})"

    @property
    def first(self) -> int | None:
        """The lowest number; None when it is empty."""
        for start, _ in self.ranges():
            return start
        return None

    @property
    def last(self) -> int | None:
        for _, stop in self.ranges(descending=True):
            return stop - 1
        return None

    def ranges(self, *, descending: bool = False) -> Iterator[Range]:
        """Its longest ranges, in order."""
        pending: Range | None = None
        keys = self._keys()
        for key in reversed(keys) if descending else keys:
            base = key * WIDTH
            for low, high in _runs(self._containers[key], descending):
                start, stop = base + low, base + high
                if pending is None:
                    pending = (start, stop)
                elif not descending and pending[1] == start:
                    pending = (pending[0], stop)
                elif descending and stop == pending[0]:
                    pending = (start, pending[1])
                else:
                    yield pending
                    pending = (start, stop)
        if pending is not None:
            yield pending

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.ranges():
            yield from range(start, stop)

    def descending(self) -> Iterator[int]:
        for start, stop in self.ranges(descending=True):
            yield from range(stop - 1, start - 1, -1)

    def take(self, count: int, *, descending: bool = False) -> PartitionSet:
        """The first ``count`` numbers, or the last. Costs what it takes, not what there is."""
        taken: list[Range] = []
        for start, stop in self.ranges(descending=descending):
            if count <= 0:
                break
            size = min(count, stop - start)
            taken.append((stop - size, stop) if descending else (start, start + size))
            count -= size
        return PartitionSet.from_ranges(taken)

    def rank(self, number: int) -> int:
        """How many of its numbers are lower."""
        container, place = divmod(number, WIDTH)
        before = sum(one.bit_count() for key, one in self._containers.items() if key < container)
        return before + (self._containers.get(container, 0) & ((1 << place) - 1)).bit_count()

    # Algebra

    def __or__(self, other: PartitionSet) -> PartitionSet:
        if not other:
            return self
        if not self:
            return other
        found = dict(self._containers)
        for key, bits in other._containers.items():
            known = found.get(key)
            if known is None:
                found[key] = bits
            elif known is not FULL:
                found[key] = _shared(known | bits)
        return PartitionSet(found)

    def __and__(self, other: PartitionSet) -> PartitionSet:
        few, many = sorted((self._containers, other._containers), key=len)
        found = {}
        for key, bits in few.items():
            more = many.get(key)
            if more is not None and (both := bits & more):
                found[key] = _shared(both)
        return PartitionSet(found)

    def __sub__(self, other: PartitionSet) -> PartitionSet:
        if not other or not self:
            return self
        found = {}
        for key, bits in self._containers.items():
            less = other._containers.get(key)
            left = bits if less is None else bits & ~less
            if left:
                found[key] = left
        return PartitionSet(found)

    def isdisjoint(self, other: PartitionSet) -> bool:
        few, many = sorted((self._containers, other._containers), key=len)
        return not any(bits & many.get(key, 0) for key, bits in few.items())

    def issubset(self, other: PartitionSet) -> bool:
        return not self - other

    def moved(self, by: int) -> PartitionSet:
        """Each number ``by`` higher; those that would be below 0 are left out."""
        if by == 0:
            return self
        if by % WIDTH == 0:
            step = by // WIDTH
            return PartitionSet({k + step: v for k, v in self._containers.items() if k + step >= 0})
        return self.mapped(lambda start, stop: (max(0, start + by), max(0, stop + by)))

    def mapped(self, move: Callable[[int, int], Range]) -> PartitionSet:
        """The union of what ``move`` makes of each range."""
        return PartitionSet.from_ranges(move(start, stop) for start, stop in self.ranges())

    # Written down

    def to_json(self) -> Any:
        """``[[start, stop], ...]`` when that is short, else a text: compressed bitmaps."""
        ranges = _some(self.ranges(), MOST_RANGES + 1)
        if len(ranges) <= MOST_RANGES:
            return [list(one) for one in ranges]
        return base64.b85encode(self.to_bytes()).decode()

    @classmethod
    def from_json(cls, document: Any) -> PartitionSet:
        """
        Raises:
            RequestError: it is not what ``to_json`` writes.
        """
        try:
            if isinstance(document, str):
                return cls.from_bytes(base64.b85decode(document))
            return cls.from_ranges((int(start), int(stop)) for start, stop in document)
        except (TypeError, ValueError, zlib.error) as error:
            raise RequestError(f"This is no set of partitions: {error}.") from error

    def to_bytes(self) -> bytes:
        keys = self._keys()
        body = b"".join(self._containers[key].to_bytes(WIDTH // 8, "little") for key in keys)
        head = json.dumps(list(_spans(keys)), separators=(",", ":")).encode()
        return zlib.compress(len(head).to_bytes(4, "little") + head + body)

    @classmethod
    def from_bytes(cls, written: bytes) -> PartitionSet:
        text = zlib.decompress(written)
        size = int.from_bytes(text[:4], "little")
        spans, body = json.loads(text[4 : 4 + size]), memoryview(text)[4 + size :]
        keys = [key for start, stop in spans for key in range(start, stop)]
        step = WIDTH // 8
        if len(body) != step * len(keys):
            raise ValueError("it is cut off")
        return cls(
            {
                key: _shared(int.from_bytes(body[place * step : (place + 1) * step], "little"))
                for place, key in enumerate(keys)
            }
        )

    def _keys(self) -> tuple[int, ...]:
        if self._sorted is None:
            self._sorted = tuple(sorted(self._containers))
        return self._sorted


EMPTY = PartitionSet()


def union(sets: Iterable[PartitionSet]) -> PartitionSet:
    found = EMPTY
    for one in sets:
        found = found | one
    return found


def _shared(bits: int) -> int:
    """Full containers are one object, so that they are told at a glance and kept once."""
    return FULL if bits == FULL else bits


def _runs(bits: int, descending: bool) -> Iterator[Range]:
    """Runs of ones. A word at a time, because each operation on the whole costs its whole length."""
    if bits == FULL:
        yield 0, WIDTH
        return
    words = [
        (place, word)
        for place in range(0, WIDTH, 256)
        if (word := bits >> place & ((1 << 256) - 1))
    ]
    for place, word in reversed(words) if descending else words:
        found = []
        while word:
            low = (word & -word).bit_length() - 1
            run = word >> low
            length = (~run & (run + 1)).bit_length() - 1
            found.append((place + low, place + low + length))
            word = run >> length << (low + length)
        yield from reversed(found) if descending else found


def _some(ranges: Iterator[Range], count: int) -> list[Range]:
    return [one for _, one in zip(range(count), ranges, strict=False)]


def _spans(keys: Iterable[int]) -> Iterator[Range]:
    start = stop = None
    for key in keys:
        if key != stop:
            if start is not None and stop is not None:
                yield start, stop
            start = key
        stop = key + 1
    if start is not None and stop is not None:
        yield start, stop
