"""Partitions of several dimensions: each key is one key of each dimension."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise, product
from typing import Any, NoReturn, Self

from tidegate.domain.partitions.definition import (
    DynamicKeys,
    PartitionKeyRange,
    PartitionsDefinition,
    PartitionSpace,
    StaticPartitionsDefinition,
    TimeWindow,
    range_backwards,
)
from tidegate.domain.partitions.dynamic import DynamicPartitionsDefinition
from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet, union
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition
from tidegate.errors import DefinitionError, InvocationError, UnknownPartitionError

SEPARATOR = "|"
_FORBIDDEN = frozenset("|,[]")
_DYNAMIC_WIDTH, _TIME_WIDTH = 1 << 16, 1 << 33
"""Numbers kept free for a dimension that grows: keys ever added to a dynamic one; minutes of its calendar."""

Box = tuple[PartitionSet, ...]
"""All combinations of some keys of each dimension."""


class MultiPartitionKey(str):
    """A key of several dimensions, ``2024-01-01|de``: the keys joined in order of the dimensions' names."""

    __slots__ = ("keys_by_dimension",)
    keys_by_dimension: Mapping[str, str]

    def __new__(cls, keys_by_dimension: Mapping[str, str]) -> Self:
        if not isinstance(keys_by_dimension, Mapping) or not keys_by_dimension:
            raise InvocationError(
                f"MultiPartitionKey is given {keys_by_dimension!r}.",
                mend='Give one key for each dimension: {"day": "2024-01-01", "country": "de"}.',
            )
        made = super().__new__(
            cls, SEPARATOR.join(keys_by_dimension[name] for name in sorted(keys_by_dimension))
        )
        made.keys_by_dimension = dict(sorted(keys_by_dimension.items()))
        return made


class MultiPartitionsDefinition(PartitionsDefinition):
    """All combinations: ``MultiPartitionsDefinition({"day": days, "country": countries})``, of any number of dimensions.

    Raises:
        DefinitionError: a dimension is no definition, or has keys that cannot be told apart when joined.
    """

    def __init__(self, partitions_defs: Mapping[str, PartitionsDefinition]) -> None:
        if not isinstance(partitions_defs, Mapping) or not partitions_defs:
            _refuse(f"partitions_defs={partitions_defs!r}")
        for name, one in partitions_defs.items():
            _check_dimension(name, one)
        self.dimensions: Mapping[str, PartitionsDefinition] = dict(sorted(partitions_defs.items()))

    @property
    def partition_dimension_names(self) -> list[str]:
        return list(self.dimensions)

    @property
    def time_dimension(self) -> str | None:
        """The only dimension of time; None when there is none, or there are several."""
        found = [n for n, d in self.dimensions.items() if _is_time(d)]
        return found[0] if len(found) == 1 else None

    def space(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> ProductSpace:
        spaces = {
            name: one.space(current_time, dynamic_partitions_store)
            for name, one in self.dimensions.items()
        }
        return ProductSpace(self, spaces)

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> Sequence[str]:
        """All combinations, in order of the dimensions' names."""
        lists = [
            one.get_partition_keys(current_time, dynamic_partitions_store)
            for one in self.dimensions.values()
        ]
        return [
            MultiPartitionKey(dict(zip(self.dimensions, keys, strict=True)))
            for keys in product(*lists)
        ]

    def key_from(self, partition_key: str) -> MultiPartitionKey:
        """A key, told apart.

        Raises:
            UnknownPartitionError: it does not have one key for each dimension.
        """
        known = getattr(partition_key, "keys_by_dimension", {})
        if isinstance(partition_key, MultiPartitionKey) and set(known) == set(self.dimensions):
            return partition_key
        parts = str(partition_key).split(SEPARATOR)
        if len(parts) != len(self.dimensions):
            form = SEPARATOR.join(name.upper() for name in self.dimensions)
            raise UnknownPartitionError(
                f"There is no partition {str(partition_key)!r}.",
                mend=f"A key is one of each dimension: {form}.",
            )
        return MultiPartitionKey(dict(zip(self.dimensions, parts, strict=True)))

    def subset_of_range(
        self,
        partition_key_range: PartitionKeyRange,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> PartitionSet:
        """The rectangle between two keys."""
        start, end = (
            self.key_from(one).keys_by_dimension
            for one in (partition_key_range.start, partition_key_range.end)
        )
        try:
            box = [
                one.subset_of_range(
                    PartitionKeyRange(start[name], end[name]),
                    current_time,
                    dynamic_partitions_store,
                )
                for name, one in self.dimensions.items()
            ]
        except InvocationError:
            raise range_backwards(partition_key_range) from None
        return self.space(current_time, dynamic_partitions_store).of_boxes([tuple(box)])

    def refuse_key(
        self,
        partition_key: str,
        current_time: datetime | None,
        dynamic_partitions_store: DynamicKeys | None,
    ) -> NoReturn:
        for name, part in self.key_from(partition_key).keys_by_dimension.items():
            one = self.dimensions[name]
            if not one.has_partition_key(part, current_time, dynamic_partitions_store):
                mend = one.near(part, current_time, dynamic_partitions_store)
                mend += one.describe(current_time, dynamic_partitions_store)
                raise UnknownPartitionError(
                    f"There is no partition {str(partition_key)!r}: "
                    f"dimension {name!r} has no key {part!r}.",
                    mend=mend,
                )
        super().refuse_key(partition_key, current_time, dynamic_partitions_store)

    def time_window_for_partition_key(self, partition_key: str) -> TimeWindow:
        """The window of a key in its dimension of time.

        Raises:
            InvocationError: it has no dimension of time, or several.
        """
        name = self.time_dimension
        if name is None:
            raise InvocationError(
                "These partitions have no one dimension of time.", mend="Use partition_key."
            )
        one = self.dimensions[name]
        assert isinstance(one, TimeWindowPartitionsDefinition)
        part = self.key_from(partition_key).keys_by_dimension[name]
        return one.time_window_for_partition_key(part)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "multi",
            "dimensions": {name: one.to_json() for name, one in self.dimensions.items()},
        }


def _check_dimension(name: Any, one: Any) -> None:
    if not isinstance(name, str) or not isinstance(one, PartitionsDefinition):
        _refuse(f"the dimension {name!r}: {one!r}")
    if isinstance(one, MultiPartitionsDefinition):
        _refuse(f"the dimension {name!r}, which has dimensions itself")
    if isinstance(one, StaticPartitionsDefinition):
        bad = [key for key in one.get_partition_keys() if not _FORBIDDEN.isdisjoint(key)]
        if bad:
            _refuse(f"the key {bad[0]!r} in dimension {name!r}", "Use none of | , [ ] there.")
    if isinstance(one, TimeWindowPartitionsDefinition) and SEPARATOR in one.fmt:
        _refuse(f"fmt={one.fmt!r} in dimension {name!r}", "Use no | there.")


def _refuse(
    what: str, mend: str = 'Give definitions by name, {"day": ..., "country": ...}.'
) -> NoReturn:
    raise DefinitionError(f"MultiPartitionsDefinition has {what}.", mend=mend)


def _is_time(one: PartitionsDefinition) -> bool:
    return isinstance(one, TimeWindowPartitionsDefinition)


@dataclass(frozen=True, slots=True)
class _Dimension:
    name: str
    space: PartitionSpace
    width: int
    """Numbers it takes; of the first one, which has no end, not used."""


class ProductSpace:
    """Combinations by number. The first dimension of time comes first, so that numbers go with time; then the others."""

    def __init__(
        self, definition: MultiPartitionsDefinition, spaces: Mapping[str, PartitionSpace]
    ) -> None:
        self.definition = definition
        self.spaces = spaces
        names = list(spaces)
        leading = next((one for one in names if _is_time(definition.dimensions[one])), names[0])
        order = [leading, *(one for one in names if one != leading)]
        self._order = tuple(
            _Dimension(one, spaces[one], _width(definition.dimensions[one])) for one in order
        )
        self._place = {one: order.index(one) for one in names}

    @cached_property
    def everything(self) -> PartitionSet:
        return self.of_boxes([tuple(one.everything for one in self.spaces.values())])

    def number(self, key: str) -> int | None:
        try:
            parts = self.definition.key_from(key).keys_by_dimension
        except UnknownPartitionError:
            return None
        number = 0
        for one in self._order:
            found = one.space.number(parts[one.name])
            if found is None:
                return None
            number = number * one.width + found if one is not self._order[0] else found
        return number

    def key(self, number: int) -> str:
        parts = {}
        for one in reversed(self._order[1:]):
            number, part = divmod(number, one.width)
            parts[one.name] = one.space.key(part)
        first = self._order[0]
        return MultiPartitionKey({**parts, first.name: first.space.key(number)})

    def of_boxes(self, boxes: Iterable[Box]) -> PartitionSet:
        """The set of all combinations in boxes, whose sides are in order of the dimensions' names."""
        names = list(self.spaces)
        return union(
            self._of_sides([box[names.index(one.name)] for one in self._order]) for box in boxes
        )

    def boxes(self, numbers: PartitionSet) -> list[Box]:
        """Boxes that together are the set: few, when it is made of whole sides."""
        return [
            tuple(sides[self._place[name]] for name in self.spaces)
            for sides in self._sides(numbers, 0)
        ]

    def lines(
        self, numbers: PartitionSet, *, descending: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Its ranges, cut where they go on to the next keys of other dimensions than the last."""
        width = self._order[-1].width if len(self._order) > 1 else 1 << 62
        for start, stop in numbers.ranges(descending=descending):
            cuts = range((start // width + 1) * width, stop, width)
            lines = list(pairwise((start, *cuts, stop)))
            yield from reversed(lines) if descending else lines

    def _of_sides(self, sides: Sequence[PartitionSet]) -> PartitionSet:
        found = sides[-1]
        for place in range(len(sides) - 2, -1, -1):
            width = 1
            for one in self._order[place + 1 :]:
                width *= one.width
            found = _multiply(sides[place], found, width)
        return found

    def _sides(self, numbers: PartitionSet, place: int) -> Iterator[list[PartitionSet]]:
        if place == len(self._order) - 1:
            if numbers:
                yield [numbers]
            return
        width = 1
        for one in self._order[place + 1 :]:
            width *= one.width
        by_inner: dict[PartitionSet, PartitionSet] = {}
        for leading, inner in _lines(numbers, width):
            by_inner[inner] = by_inner.get(inner, EMPTY) | leading
        for inner, leading in by_inner.items():
            for rest in self._sides(inner, place + 1):
                yield [leading, *rest]


def _width(one: PartitionsDefinition) -> int:
    if isinstance(one, StaticPartitionsDefinition):
        return max(1, one.get_num_partitions())
    return _DYNAMIC_WIDTH if isinstance(one, DynamicPartitionsDefinition) else _TIME_WIDTH


def _multiply(leading: PartitionSet, inner: PartitionSet, width: int) -> PartitionSet:
    if len(inner) == width:
        return leading.mapped(lambda start, stop: (start * width, stop * width))
    ranges = list(inner.ranges())
    return PartitionSet.from_ranges(
        (one * width + start, one * width + stop) for one in leading for start, stop in ranges
    )


def _lines(numbers: PartitionSet, width: int) -> Iterator[tuple[PartitionSet, PartitionSet]]:
    """(leading numbers, inner numbers they have), the leading ones of a full stretch together."""
    partial: dict[int, list[tuple[int, int]]] = {}
    for start, stop in numbers.ranges():
        first, last = start // width, (stop - 1) // width
        low = start - first * width
        if low or first == last and stop != (first + 1) * width:
            high = stop - first * width if first == last else width
            partial.setdefault(first, []).append((low, high))
            first += 1
        full_until = stop // width
        if full_until > first:
            yield PartitionSet.range(first, full_until), PartitionSet.range(0, width)
        if last >= max(first, full_until) and stop % width:
            partial.setdefault(last, []).append((0, stop - last * width))
    for leading, ranges in partial.items():
        yield PartitionSet.range(leading, leading + 1), PartitionSet.from_ranges(ranges)
