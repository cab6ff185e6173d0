"""What a run of a range of partitions is for, where that depends on keys that come and go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidegate.domain.partitions.definition import (
    RANGE_END_TAG,
    RANGE_START_TAG,
    DynamicKeys,
    PartitionKeyRange,
    PartitionsDefinition,
)
from tidegate.domain.partitions.dynamic import DynamicPartitionsDefinition
from tidegate.domain.partitions.multi import MultiPartitionsDefinition
from tidegate.errors import RequestError

Keys = Mapping[str, Sequence[str]]
"""Name of a dynamic definition -> some of its keys, in their order."""


def range_of(tags: Mapping[str, str]) -> PartitionKeyRange | None:
    """
    Raises:
        RequestError: only one end is given.
    """
    start, end = tags.get(RANGE_START_TAG), tags.get(RANGE_END_TAG)
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise RequestError("A range of partitions has two ends.", mend="Give A...B.")
    return PartitionKeyRange(start, end)


def dynamic_names(definition: PartitionsDefinition | None) -> list[str]:
    """Names of the dynamic definitions in a definition."""
    if isinstance(definition, DynamicPartitionsDefinition):
        return [definition.name]
    if isinstance(definition, MultiPartitionsDefinition):
        return [name for one in definition.dimensions.values() for name in dynamic_names(one)]
    return []


def keys_of_range(
    definition: PartitionsDefinition, given: PartitionKeyRange, known: DynamicKeys
) -> Keys:
    """The dynamic keys of which a range is made: with these alone it is what it is with all that there are.

    Raises:
        UnknownPartitionError, InvocationError: it is no range of the definition.
    """
    found: dict[str, set[str]] = {}
    for one, part in _dynamic(definition, given):
        keys = one.get_partition_keys_in_range(part, None, known)
        found.setdefault(one.name, set()).update(keys)
    return {name: [key for key in known[name] if key in found[name]] for name in sorted(found)}


def _dynamic(
    definition: PartitionsDefinition, given: PartitionKeyRange
) -> Iterable[tuple[DynamicPartitionsDefinition, PartitionKeyRange]]:
    """The dynamic dimensions, each with its side of the range."""
    if isinstance(definition, DynamicPartitionsDefinition):
        yield definition, given
    if isinstance(definition, MultiPartitionsDefinition):
        start, end = (
            definition.key_from(one).keys_by_dimension for one in (given.start, given.end)
        )
        for name, one in definition.dimensions.items():
            if isinstance(one, DynamicPartitionsDefinition):
                yield one, PartitionKeyRange(start[name], end[name])
