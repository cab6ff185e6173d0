"""From windows of time to windows of time."""

from __future__ import annotations

from typing import Any

from tidegate.domain.partitions.definition import PartitionsDefinition, PartitionSpace
from tidegate.domain.partitions.mapping import PartitionMapping, Upstream, same_numbers
from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet, union
from tidegate.domain.partitions.time_window import TimeSpace, TimeWindowPartitionsDefinition


class TimeWindowPartitionMapping(PartitionMapping):
    """All upstream windows that the window touches, from ``start_offset`` windows after its own to ``end_offset``.

    Offsets count downstream windows: ``TimeWindowPartitionMapping(start_offset=-6)`` of days is a week that ends with the
    day. What lies before the first upstream partition is then left out.

    Args:
        allow_nonexistent_upstream_partitions: Leave out what does not exist upstream, instead of refusing.
    """

    kind = "time_window"

    def __init__(
        self,
        start_offset: int = 0,
        end_offset: int = 0,
        allow_nonexistent_upstream_partitions: bool = False,
    ) -> None:
        for name, value in (("start_offset", start_offset), ("end_offset", end_offset)):
            if type(value) is not int:
                self.refuse(f"has {name}={value!r}", "Give a whole number.")
        if start_offset > end_offset:
            self.refuse(
                f"has start_offset={start_offset} after end_offset={end_offset}",
                "Let it start before it ends.",
            )
        self.start_offset, self.end_offset = start_offset, end_offset
        self.allow_nonexistent_upstream_partitions = bool(allow_nonexistent_upstream_partitions)

    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        down, up = _time_spaces(down, up)
        if self.is_identity() and same_numbers(down, up):
            wanted = numbers
        else:
            wanted = PartitionSet.from_ranges(
                _upstream_range(one, down, up, self.start_offset, self.end_offset)
                for one in numbers.ranges()
            )
        missing, first = EMPTY, up.everything.first
        if not self.allow_nonexistent_upstream_partitions:
            missing = self._existing(wanted - up.everything, up)
        if self.start_offset < 0 and first is not None:
            missing -= PartitionSet.range(0, first)
        return Upstream(there=wanted & up.everything, missing=missing)

    @staticmethod
    def _existing(wanted: PartitionSet, up: TimeSpace) -> PartitionSet:
        """Without slots that have no window at all."""
        points = up.definition.calendar
        return union(points.slots(start, stop - 1) for start, stop in wanted.ranges())

    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        down, up = _time_spaces(down, up)
        if self.is_identity() and same_numbers(down, up):
            return numbers & down.everything
        found = PartitionSet.from_ranges(
            _upstream_range(one, up, down, 0, 0, -self.end_offset, -self.start_offset)
            for one in numbers.ranges()
        )
        return found & down.everything

    def check(self, down: PartitionsDefinition | None, up: PartitionsDefinition | None) -> None:
        for one in (down, up):
            if not isinstance(one, TimeWindowPartitionsDefinition):
                self.refuse("needs partitions of time on both sides", "Use another mapping.")
        assert isinstance(down, TimeWindowPartitionsDefinition)
        assert isinstance(up, TimeWindowPartitionsDefinition)
        if down.timezone != up.timezone:
            self.refuse(
                f"is between the time zones {up.timezone} and {down.timezone}",
                "Give both partitions the same.",
            )

    def is_identity(self) -> bool:
        return self.start_offset == 0 == self.end_offset

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "start_offset": self.start_offset,
            "end_offset": self.end_offset,
            "allow_nonexistent": self.allow_nonexistent_upstream_partitions,
        }


def _time_spaces(down: PartitionSpace, up: PartitionSpace) -> tuple[TimeSpace, TimeSpace]:
    assert isinstance(down, TimeSpace)
    assert isinstance(up, TimeSpace)
    return down, up


def _upstream_range(
    numbers: tuple[int, int],
    own: TimeSpace,
    other: TimeSpace,
    start_offset: int,
    end_offset: int,
    other_start: int = 0,
    other_end: int = 0,
) -> tuple[int, int]:
    """Numbers of the other's windows that a range of own windows touches; own ends moved by windows before, the other's after."""
    start = own.start(own.step(numbers[0], start_offset))
    end = own.end(own.step(numbers[1] - 1, end_offset))
    found = other.overlapping(start, end)
    if found is None:
        return 0, 0
    return other.step(found[0], other_start), other.step(found[1], other_end) + 1
