"""Which partitions a step makes, and which of its upstream assets it loads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.domain.partitions.default_mapping import infer_mapping
from tidegate.domain.partitions.definition import (
    RANGE_END_TAG,
    RANGE_START_TAG,
    PartitionKeyRange,
)
from tidegate.domain.partitions.dynamic import DynamicPartitionsDefinition
from tidegate.domain.partitions.mapping import WHOLE
from tidegate.domain.partitions.multi import SEPARATOR, MultiPartitionsDefinition
from tidegate.domain.partitions.partition_set import PartitionSet
from tidegate.domain.task import Invocation
from tidegate.errors import DefinitionError, InvocationError
from tidegate.sdk.step import StepDefinition, StepInput


class StepPartitions:
    """The partitions of one attempt of a step, at one moment."""

    def __init__(self, step: StepDefinition, invocation: Invocation, now: datetime) -> None:
        self._step, self._invocation, self._now = step, invocation, now
        self._store: Mapping[str, Any] = invocation.dynamic_partitions
        self._range = range_of(invocation.tags)

    def own(self) -> tuple[str, ...] | None:
        """The partitions of the run; None when it has none."""
        key, definition = self._invocation.partition_key, self._step.partitions_def
        if key is not None:
            return (key,)
        if self._range is None or definition is None:
            return None
        return tuple(
            definition.get_partition_keys_in_range(self._range, self._now, self._own(definition))
        )

    def upstream(self, one: StepInput) -> tuple[str, ...] | None:
        """Partitions of an upstream asset that an input loads; None when it has none.

        Raises:
            InvocationError: they cannot be told, or one does not exist.
        """
        up, own = one.partitions_def, self._step.partitions_def
        if one.asset_key is None or up is None:
            return None
        if not self._step.is_asset:
            return self._of_op(up)
        keys = self.own()
        if own is not None and keys is None:
            raise InvocationError(
                f"Step {self._step.key!r} is partitioned, and the run has no partition.",
                mend="Give the run a partition key.",
            )
        mapping = one.partition_mapping or infer_mapping(own, up)
        if own == up and mapping.is_identity():
            return keys
        try:
            mapping.check(own, up)
            return self._mapped(one, mapping, keys)
        except DefinitionError as error:
            raise InvocationError(
                f"Step {self._step.key!r} and its upstream asset {str(one.asset_key)!r}: {error.message}",
                mend=error.mend,
            ) from error

    def _mapped(
        self, one: StepInput, mapping: Any, keys: tuple[str, ...] | None
    ) -> tuple[str, ...]:
        own, up = self._step.partitions_def, one.partitions_def
        down_space = WHOLE if own is None else own.space(self._now, self._own(own))
        up_space = up.space(self._now, self._known(up))
        if own is None:
            numbers = WHOLE.everything
        else:
            found = (down_space.number(key) for key in keys or ())
            numbers = PartitionSet.of(number for number in found if number is not None)
        needed = mapping.upstream(numbers, down_space, up_space)
        if needed.missing:
            raise InvocationError(
                f"Step {self._step.key!r} needs {len(needed.missing)} partitions of "
                f"{str(one.asset_key)!r} that do not exist.",
                mend="Let its partitions begin later, or use "
                "TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True).",
            )
        return tuple(up_space.key(number) for number in needed.there)

    def _of_op(self, up: Any) -> tuple[str, ...]:
        """An op has no partitions of its own: the run's if it is one of the asset's, else all."""
        key, store = self._invocation.partition_key, self._known(up)
        if key is not None and up.has_partition_key(key, self._now, store):
            return (key,)
        return tuple(up.get_partition_keys(self._now, store))

    def _own(self, definition: Any) -> Mapping[str, Any]:
        """Dynamic keys that the run's own partitions have."""
        return {**self._known(definition), **self._invocation.own_partitions}

    def _known(self, definition: Any) -> Mapping[str, Any]:
        """Dynamic keys: those that came with the step, else the run's own, which was checked when it was submitted."""
        key = self._invocation.partition_key
        return self._store if key is None else {**dynamic_keys(definition, key), **self._store}


def dynamic_keys(definition: Any, key: str) -> dict[str, list[str]]:
    """The dynamic keys that a partition key holds, by name of their definition."""
    if isinstance(definition, DynamicPartitionsDefinition):
        return {definition.name: [key]}
    if not isinstance(definition, MultiPartitionsDefinition):
        return {}
    parts = zip(definition.dimensions.values(), key.split(SEPARATOR), strict=False)
    return {one.name: [part] for one, part in parts if isinstance(one, DynamicPartitionsDefinition)}


def range_of(tags: Mapping[str, str]) -> PartitionKeyRange | None:
    """From which partition to which a run is, by its tags."""
    if RANGE_START_TAG in tags and RANGE_END_TAG in tags:
        return PartitionKeyRange(tags[RANGE_START_TAG], tags[RANGE_END_TAG])
    return None
