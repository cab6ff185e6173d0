"""What a step is told of the partitions of its run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tidegate.errors import InvocationError

if TYPE_CHECKING:
    from tidegate.domain.partitions.definition import PartitionKeyRange, TimeWindow


class PartitionedContext:
    """The part of a context that is about partitions."""

    step_key: str
    run_partition: str | None
    run_partitions: Sequence[str] | None
    partitions_def: Any

    @property
    def has_partition_key(self) -> bool:
        return self.run_partition is not None

    @property
    def partition_key(self) -> str:
        """The partition of the run.

        Raises:
            InvocationError: the run has none.
        """
        if self.run_partition is None and self.run_partitions:
            raise InvocationError(
                f"The run has {len(self.run_partitions)} partitions.", mend="Use partition_keys."
            )
        if self.run_partition is None:
            raise InvocationError(
                "The run has no partition.", mend="Ask has_partition_key first, or give one."
            )
        return partition_key_of(self.partitions_def, self.run_partition)

    @property
    def partition_keys(self) -> Sequence[str]:
        """All partitions of the run, in order; one, unless it is for a range."""
        if self.run_partitions is None:
            return [self.partition_key]
        return [partition_key_of(self.partitions_def, one) for one in self.run_partitions]

    @property
    def has_partition_key_range(self) -> bool:
        return bool(self.run_partitions) or self.has_partition_key

    @property
    def partition_key_range(self) -> PartitionKeyRange:
        """From the first to the last partition of the run."""
        from tidegate.domain.partitions.definition import PartitionKeyRange

        keys = self.partition_keys
        return PartitionKeyRange(keys[0], keys[-1])

    @property
    def partition_time_window(self) -> TimeWindow:
        """Start and end in time: of the partition, or from the first to the last.

        Raises:
            InvocationError: the step is not partitioned by time.
        """
        window = getattr(self.partitions_def, "time_window_for_partition_key", None)
        if window is None:
            raise InvocationError(
                f"Step {self.step_key!r} is not partitioned by time.", mend="Use partition_key."
            )
        keys = self.partition_keys
        return span_of(window(keys[0]), window(keys[-1]))


def partition_key_of(definition: Any, key: str) -> str:
    """The key, told apart (``keys_by_dimension``) where it is one of several dimensions."""
    told_apart = getattr(definition, "key_from", None)
    if told_apart is None:
        return key
    found: str = told_apart(key)
    return found


def span_of(first: TimeWindow, last: TimeWindow) -> TimeWindow:
    from tidegate.domain.partitions.definition import TimeWindow

    return TimeWindow(first.start, last.end)
