"""The mapping where none is given, that of a document, and where an asset may be made of its own partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.domain.partitions.definition import PartitionsDefinition
from tidegate.domain.partitions.dimension_mapping import (
    DimensionPartitionMapping,
    MultiPartitionMapping,
    MultiToSingleDimensionPartitionMapping,
    dimension_of,
)
from tidegate.domain.partitions.mapping import (
    AllPartitionMapping,
    IdentityPartitionMapping,
    LastPartitionMapping,
    PartitionMapping,
    SpecificPartitionsPartitionMapping,
    StaticPartitionMapping,
)
from tidegate.domain.partitions.multi import MultiPartitionsDefinition
from tidegate.domain.partitions.time_mapping import TimeWindowPartitionMapping
from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition
from tidegate.errors import DefinitionError


def infer_mapping(
    down: PartitionsDefinition | None, up: PartitionsDefinition | None
) -> PartitionMapping:
    """The mapping where none is given."""
    if down is None or up is None:
        return AllPartitionMapping()
    for multi, single in ((down, up), (up, down)):
        if isinstance(multi, MultiPartitionsDefinition) and not isinstance(
            single, MultiPartitionsDefinition
        ):
            if dimension_of(multi, single) is not None:
                return MultiToSingleDimensionPartitionMapping()
            return IdentityPartitionMapping()
    both = all(isinstance(one, TimeWindowPartitionsDefinition) for one in (down, up))
    return TimeWindowPartitionMapping() if both else IdentityPartitionMapping()


def mapping_from_json(document: Mapping[str, Any]) -> PartitionMapping:
    """The mapping that a document of the manifest describes.

    Raises:
        DefinitionError: no mapping has such a document.
    """
    match document.get("kind"):
        case "identity":
            return IdentityPartitionMapping()
        case "all":
            return AllPartitionMapping()
        case "last":
            return LastPartitionMapping()
        case "specific":
            return SpecificPartitionsPartitionMapping(document["keys"])
        case "static":
            return StaticPartitionMapping(document["keys"])
        case "time_window":
            return TimeWindowPartitionMapping(
                document["start_offset"], document["end_offset"], document["allow_nonexistent"]
            )
        case "multi_to_single":
            return MultiToSingleDimensionPartitionMapping(document["dimension"])
        case "multi":
            return MultiPartitionMapping(
                {
                    name: DimensionPartitionMapping(own, mapping_from_json(one))
                    for name, (own, one) in document["dimensions"].items()
                }
            )
    raise DefinitionError(
        f"The manifest has a partition mapping of kind {document.get('kind')!r}.",
        mend="Use the release that compiled it, or compile again.",
    )


def may_depend_on_itself(
    mapping: PartitionMapping | None, definition: PartitionsDefinition | None
) -> bool:
    """Whether each partition is made of earlier ones only."""
    if isinstance(mapping, TimeWindowPartitionMapping):
        is_time = isinstance(definition, TimeWindowPartitionsDefinition)
        return is_time and mapping.start_offset < 0 and mapping.end_offset < 0
    if isinstance(mapping, MultiPartitionMapping):
        if not isinstance(definition, MultiPartitionsDefinition):
            return False
        return any(
            one.dimension_name == name
            and may_depend_on_itself(one.partition_mapping, definition.dimensions.get(name))
            for name, one in mapping.by_upstream.items()
        )
    return False
