"""What is known of each partition of an asset: made, failed, in progress. Kept as sets in a few rows, not a row for each.

A place is a row and a member of the sets in it. Windows of time are numbers, ``WIDTH`` to a row; what they are named by
never changes, so the start of a definition may move. Keys of lists are members by themselves, in one of ``ROWS`` rows, so
a list may be reordered. Of several dimensions, each combination of the others has rows of its own for the windows of
time. See ``docs/adr/0010-partition-state-by-place.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.domain.partitions.definition import PartitionsDefinition, PartitionSpace
from tidegate.domain.partitions.multi import SEPARATOR, MultiPartitionsDefinition
from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet
from tidegate.domain.partitions.time_window import TimeSpace, TimeWindowPartitionsDefinition

WIDTH = 1024
"""Windows to a row: 3 KB when it is full. A write costs a unit for each KB of its row."""
ROWS = 64


class PartitionStatus(StrEnum):
    MATERIALIZED = "MATERIALIZED"
    FAILED = "FAILED"
    """The last attempt failed, whatever was made before."""
    IN_PROGRESS = "IN_PROGRESS"
    MISSING = "MISSING"
    STALE = "STALE"
    """Made by another version of its asset's code than the one deployed. Without a ``code_version`` nothing is."""


LEAVES: Mapping[str, tuple[str, ...]] = {
    "materialized": ("failed", "in_progress"),
    "failed": ("in_progress",),
    "in_progress": (),
    "ended": ("in_progress",),
}
"""What happens to a partition -> the sets that it leaves; it joins the set of that name, if there is one."""


@dataclass(frozen=True, slots=True)
class Place:
    row: str
    member: int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRow:
    """One row: the members that are in each state. A member may have been made, and then have failed."""

    row: str
    materialized: frozenset[int | str] = frozenset()
    failed: frozenset[int | str] = frozenset()
    in_progress: frozenset[int | str] = frozenset()
    made_by: Mapping[str, frozenset[int | str]] = field(default_factory=dict)
    """By mark of the version of the asset's code: what that has made last."""


def version_mark(code_version: str) -> str:
    """How a version of code is named in rows: short, whatever it is."""
    return hashlib.sha256(code_version.encode()).hexdigest()[:10]


def prefix_of(definition: PartitionsDefinition) -> str:
    """What all rows of a definition begin with: other for one whose windows are others."""
    if isinstance(definition, TimeWindowPartitionsDefinition):
        return _mark("time", definition.cron_schedule, definition.timezone)
    if isinstance(definition, MultiPartitionsDefinition):
        inner = (prefix_of(one) for one in definition.dimensions.values())
        return _mark("multi", *definition.dimensions, *inner)
    return _mark("keys")


def place_of(definition: PartitionsDefinition, key: str) -> Place | None:
    """Where the state of a partition is; None for what is no key."""
    prefix = prefix_of(definition)
    if isinstance(definition, TimeWindowPartitionsDefinition):
        return _in_time(definition, key, prefix)
    if isinstance(definition, MultiPartitionsDefinition) and definition.time_dimension:
        window = definition.dimensions[definition.time_dimension]
        assert isinstance(window, TimeWindowPartitionsDefinition)
        parts = key.split(SEPARATOR)
        if len(parts) != len(definition.dimensions):
            return None
        at = list(definition.dimensions).index(definition.time_dimension)
        time = parts.pop(at)
        return _in_time(window, time, f"{prefix}{SEPARATOR.join(parts)}#")
    row = int.from_bytes(hashlib.sha256(key.encode()).digest()[:2]) % ROWS
    return Place(f"{prefix}{row:02}", key)


def _in_time(definition: TimeWindowPartitionsDefinition, key: str, prefix: str) -> Place | None:
    point = definition.point_of(key)
    if point is None:
        return None
    row, member = divmod(definition.calendar.slot(point), WIDTH)
    return Place(f"{prefix}{row:08}", member)


def key_of(definition: PartitionsDefinition, row: str, member: str) -> str:
    """The key of a place: what ``place_of`` was given."""
    if isinstance(definition, TimeWindowPartitionsDefinition):
        point = definition.calendar.at(int(row.rpartition("#")[2]) * WIDTH + int(member))
        return "" if point is None else definition.key_at(point)
    has_time = isinstance(definition, MultiPartitionsDefinition) and definition.time_dimension
    return _key(definition, row, int(member) if has_time else member)


def places_of_windows(
    definition: TimeWindowPartitionsDefinition, numbers: PartitionSet
) -> list[Place]:
    """Those of whole ranges of windows, without a look at a key."""
    prefix = prefix_of(definition)
    found: list[Place] = []
    for start, stop in numbers.ranges():
        for row in range(start // WIDTH, (stop - 1) // WIDTH + 1):
            first, last = max(start, row * WIDTH), min(stop, (row + 1) * WIDTH)
            name = f"{prefix}{row:08}"
            found += [Place(name, one - row * WIDTH) for one in range(first, last)]
    return found


def by_row(places: Iterable[Place]) -> dict[str, list[int | str]]:
    found: dict[str, list[int | str]] = {}
    for one in places:
        found.setdefault(one.row, []).append(one.member)
    return found


def states_of(
    definition: PartitionsDefinition,
    space: PartitionSpace,
    rows: Sequence[StateRow],
    code_version: str | None = None,
) -> Mapping[PartitionStatus, PartitionSet]:
    """The partitions there are, by state; each is in one. ``code_version``: what its asset's code has now."""
    found = {
        name: _numbers(definition, space, [(one.row, getattr(one, name)) for one in rows])
        & space.everything
        for name in ("materialized", "failed", "in_progress")
    }
    running = found["in_progress"]
    failed = found["failed"] - running
    made = found["materialized"] - running - failed
    stale = EMPTY
    if code_version is not None:
        now = version_mark(code_version)
        own = [(one.row, one.made_by.get(now, frozenset())) for one in rows]
        stale = made - _numbers(definition, space, own)
    return {
        PartitionStatus.MATERIALIZED: made - stale,
        PartitionStatus.STALE: stale,
        PartitionStatus.FAILED: failed,
        PartitionStatus.IN_PROGRESS: running,
        PartitionStatus.MISSING: space.everything - running - failed - made,
    }


def _numbers(
    definition: PartitionsDefinition,
    space: PartitionSpace,
    rows: Iterable[tuple[str, frozenset[int | str]]],
) -> PartitionSet:
    if isinstance(space, TimeSpace):
        return PartitionSet.of(
            int(row.rpartition("#")[2]) * WIDTH + int(one)
            for row, members in rows
            for one in members
        )
    found = EMPTY
    for row, members in rows:
        found |= PartitionSet.of(
            number
            for one in members
            if (number := space.number(_key(definition, row, one))) is not None
        )
    return found


def _key(definition: PartitionsDefinition, row: str, member: int | str) -> str:
    if isinstance(member, str) or not isinstance(definition, MultiPartitionsDefinition):
        return str(member)
    name = definition.time_dimension
    assert name is not None
    window = definition.dimensions[name]
    assert isinstance(window, TimeWindowPartitionsDefinition)
    _, _, rest = row.partition("#")
    others, _, bucket = rest.rpartition("#")
    point = window.calendar.at(int(bucket) * WIDTH + member)
    if point is None:
        return ""
    parts = others.split(SEPARATOR) if len(definition.dimensions) > 1 else []
    parts.insert(list(definition.dimensions).index(name), window.key_at(point))
    return SEPARATOR.join(parts)


def _mark(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8] + "#"
