"""From and to partitions of several dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.domain.partitions.definition import PartitionsDefinition, PartitionSpace
from tidegate.domain.partitions.mapping import (
    IdentityPartitionMapping,
    PartitionMapping,
    Upstream,
)
from tidegate.domain.partitions.multi import MultiPartitionsDefinition, ProductSpace
from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet, union
from tidegate.domain.partitions.time_mapping import TimeWindowPartitionMapping
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition


class MultiToSingleDimensionPartitionMapping(PartitionMapping):
    """Between partitions of several dimensions and those of one of them: all combinations that have the key.

    Args:
        partition_dimension_name: Which dimension; needed when it cannot be told.
    """

    kind = "multi_to_single"

    def __init__(self, partition_dimension_name: str | None = None) -> None:
        self.partition_dimension_name = partition_dimension_name

    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        if isinstance(up, ProductSpace):
            name, mapping = self._dimension(up.definition, _definition(down))
            side = mapping.upstream(numbers, down, up.spaces[name])
            return Upstream(there=_slab(up, name, side.there), missing=side.missing)
        assert isinstance(down, ProductSpace)
        name, mapping = self._dimension(down.definition, _definition(up))
        return mapping.upstream(_side(down, name, numbers), down.spaces[name], up)

    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        if isinstance(up, ProductSpace):
            name, mapping = self._dimension(up.definition, _definition(down))
            return mapping.downstream(_side(up, name, numbers), up.spaces[name], down)
        assert isinstance(down, ProductSpace)
        name, mapping = self._dimension(down.definition, _definition(up))
        return _slab(down, name, mapping.downstream(numbers, up, down.spaces[name]))

    def check(self, down: PartitionsDefinition | None, up: PartitionsDefinition | None) -> None:
        if isinstance(down, MultiPartitionsDefinition) == isinstance(up, MultiPartitionsDefinition):
            self.refuse("needs several dimensions on one side, not on both", "Use another mapping.")
        multi, single = (up, down) if isinstance(up, MultiPartitionsDefinition) else (down, up)
        assert isinstance(multi, MultiPartitionsDefinition)
        if single is None:
            self.refuse("is to what has no partitions", "Use AllPartitionMapping.")
        name, mapping = self._dimension(multi, single)
        sides = (multi.dimensions[name], single)
        mapping.check(*(sides if multi is down else sides[::-1]))

    def _dimension(
        self, multi: MultiPartitionsDefinition, single: PartitionsDefinition
    ) -> tuple[str, PartitionMapping]:
        name = self.partition_dimension_name
        if name is None:
            name = dimension_of(multi, single)
        if name is None or name not in multi.dimensions:
            names = ", ".join(multi.dimensions)
            said = "cannot tell which dimension it is" if name is None else f"names {name!r}"
            self.refuse(said, f"Give partition_dimension_name, one of: {names}.")
        one = multi.dimensions[name]
        is_time = isinstance(one, TimeWindowPartitionsDefinition)
        if is_time and isinstance(single, TimeWindowPartitionsDefinition):
            return name, TimeWindowPartitionMapping()
        return name, IdentityPartitionMapping()

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "dimension": self.partition_dimension_name}


@dataclass(frozen=True, slots=True)
class DimensionPartitionMapping:
    """In ``MultiPartitionMapping``: the downstream dimension, and how it maps."""

    dimension_name: str
    partition_mapping: PartitionMapping


class MultiPartitionMapping(PartitionMapping):
    """Dimension by dimension: ``MultiPartitionMapping({"day": DimensionPartitionMapping("date", TimeWindowPartitionMapping(-1, -1))})``.

    Upstream dimensions that are not named need all of their keys; downstream ones that are not named do not matter.
    """

    kind = "multi"

    def __init__(
        self,
        downstream_mappings_by_upstream_dimension: Mapping[str, DimensionPartitionMapping],
    ) -> None:
        given = downstream_mappings_by_upstream_dimension
        is_mapping = isinstance(given, Mapping)
        if not is_mapping or not all(
            isinstance(one, DimensionPartitionMapping) for one in given.values()
        ):
            self.refuse(f"has {given!r}", "Give a DimensionPartitionMapping for each dimension.")
        self.by_upstream = dict(given)

    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        assert isinstance(down, ProductSpace)
        assert isinstance(up, ProductSpace)
        names, boxes, missing = list(down.spaces), [], EMPTY
        for box in down.boxes(numbers):
            sides = []
            for name, space in up.spaces.items():
                one = self.by_upstream.get(name)
                if one is None:
                    sides.append(space.everything)
                    continue
                side = box[names.index(one.dimension_name)]
                found = one.partition_mapping.upstream(side, down.spaces[one.dimension_name], space)
                sides.append(found.there)
                missing |= found.missing
            boxes.append(tuple(sides))
        return Upstream(there=up.of_boxes(boxes), missing=missing)

    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        assert isinstance(down, ProductSpace)
        assert isinstance(up, ProductSpace)
        names, boxes = list(up.spaces), []
        for box in up.boxes(numbers):
            sides = {name: space.everything for name, space in down.spaces.items()}
            for name, one in self.by_upstream.items():
                side, own = box[names.index(name)], one.dimension_name
                found = one.partition_mapping.downstream(side, up.spaces[name], down.spaces[own])
                sides[own] = sides[own] & found
            boxes.append(tuple(sides.values()))
        return down.of_boxes(boxes)

    def check(self, down: PartitionsDefinition | None, up: PartitionsDefinition | None) -> None:
        if not isinstance(down, MultiPartitionsDefinition) or not isinstance(
            up, MultiPartitionsDefinition
        ):
            self.refuse("needs several dimensions on both sides", "Use another mapping.")
        for name, one in self.by_upstream.items():
            for where, multi, dimension in (
                ("upstream", up, name),
                ("downstream", down, one.dimension_name),
            ):
                if dimension not in multi.dimensions:
                    names = ", ".join(multi.dimensions)
                    self.refuse(
                        f"names {dimension!r}, which is no {where} dimension", f"One of: {names}."
                    )
            one.partition_mapping.check(down.dimensions[one.dimension_name], up.dimensions[name])

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "dimensions": {
                name: [one.dimension_name, one.partition_mapping.to_json()]
                for name, one in self.by_upstream.items()
            },
        }


def dimension_of(multi: MultiPartitionsDefinition, single: PartitionsDefinition) -> str | None:
    """The dimension that a definition of one dimension is about: the equal one, or else the only one of time."""
    equal = [name for name, one in multi.dimensions.items() if one == single]
    if len(equal) == 1:
        return equal[0]
    if not equal and isinstance(single, TimeWindowPartitionsDefinition):
        return multi.time_dimension
    return None


def _definition(space: PartitionSpace) -> PartitionsDefinition:
    found: PartitionsDefinition = space.definition  # type: ignore[attr-defined]
    return found


def _slab(space: ProductSpace, name: str, side: PartitionSet) -> PartitionSet:
    """All combinations whose dimension is one of these."""
    return space.of_boxes(
        [tuple(side if one == name else all_.everything for one, all_ in space.spaces.items())]
    )


def _side(space: ProductSpace, name: str, numbers: PartitionSet) -> PartitionSet:
    """Which keys of a dimension come among combinations."""
    place = list(space.spaces).index(name)
    return union(box[place] for box in space.boxes(numbers))
