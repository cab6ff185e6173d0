"""Which partitions of an upstream asset a partition is made of. Mappings work on whole sets, in both directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from tidegate.domain.partitions.definition import KeySpace, PartitionsDefinition, PartitionSpace
from tidegate.domain.partitions.multi import ProductSpace
from tidegate.domain.partitions.partition_set import EMPTY, PartitionSet
from tidegate.domain.partitions.time_window import TimeSpace, TimeWindowPartitionsDefinition
from tidegate.errors import DefinitionError

WHOLE = KeySpace({"": 0})
"""What has no partitions: one, without a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What is needed of the upstream asset."""

    there: PartitionSet
    missing: PartitionSet = EMPTY
    """Numbers that would be needed, and are no partitions of it."""


class PartitionMapping(ABC):
    """Which upstream partitions belong to which downstream ones."""

    kind: ClassVar[str]

    @abstractmethod
    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        """What these downstream partitions are made of."""

    @abstractmethod
    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        """All downstream partitions that are made of any of these."""

    def check(self, down: PartitionsDefinition | None, up: PartitionsDefinition | None) -> None:
        """Raise DefinitionError unless the mapping can be between these; None has no partitions."""

    def is_identity(self) -> bool:
        """Each partition is made of the same one, so that both can be made in one run."""
        return False

    def to_json(self) -> dict[str, Any]:
        """The form in the manifest; ``mapping_from_json`` reads it."""
        return {"kind": self.kind}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionMapping) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(str(self.to_json()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_json()!r})"

    def refuse(self, what: str, mend: str) -> NoReturn:
        raise DefinitionError(f"{type(self).__name__} {what}.", mend=mend)


class IdentityPartitionMapping(PartitionMapping):
    """The partition of the same key."""

    kind = "identity"

    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        if same_numbers(down, up):
            return Upstream(there=numbers & up.everything, missing=numbers - up.everything)
        found: list[int] = []
        missing: list[int] = []
        for number in numbers:
            same = up.number(down.key(number))
            (missing if same is None else found).append(number if same is None else same)
        return Upstream(there=PartitionSet.of(found), missing=PartitionSet.of(missing))

    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        return self.upstream(numbers, up, down).there

    def check(self, down: PartitionsDefinition | None, up: PartitionsDefinition | None) -> None:
        if down is not None and up is not None and _base(down) is not _base(up):
            self.refuse("is between different kinds of partitions", "Use another mapping.")

    def is_identity(self) -> bool:
        return True


class AllPartitionMapping(PartitionMapping):
    """All upstream partitions."""

    kind = "all"

    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        return Upstream(there=up.everything if numbers else EMPTY)

    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        return down.everything if numbers else EMPTY


class LastPartitionMapping(PartitionMapping):
    """The last upstream partition there is."""

    kind = "last"

    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        return Upstream(there=up.everything.take(1, descending=True) if numbers else EMPTY)

    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        last = up.everything.last
        return down.everything if last is not None and last in numbers else EMPTY


class SpecificPartitionsPartitionMapping(PartitionMapping):
    """These upstream partitions: ``SpecificPartitionsPartitionMapping(["2024-01-01"])``."""

    kind = "specific"

    def __init__(self, partition_keys: Iterable[str]) -> None:
        keys = () if isinstance(partition_keys, str) else tuple(partition_keys)
        if not keys or not all(isinstance(one, str) for one in keys):
            self.refuse(f"has partition_keys={partition_keys!r}", 'Give keys, ["a", "b"].')
        self.partition_keys: Sequence[str] = keys

    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        found = (up.number(key) for key in self.partition_keys)
        there = PartitionSet.of(one for one in found if one is not None)
        return Upstream(there=there if numbers else EMPTY)

    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        numbered = (up.number(key) for key in self.partition_keys)
        wanted = any(one is not None and one in numbers for one in numbered)
        return down.everything if wanted else EMPTY

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "keys": list(self.partition_keys)}


class StaticPartitionMapping(PartitionMapping):
    """From upstream keys to downstream keys: ``StaticPartitionMapping({"de": "eu", "fr": ["eu", "west"]})``."""

    kind = "static"

    def __init__(
        self,
        downstream_partition_keys_by_upstream_partition_key: Mapping[str, str | Iterable[str]],
    ) -> None:
        given = downstream_partition_keys_by_upstream_partition_key
        if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
            self.refuse(f"has {given!r}", 'Give {"upstream key": ["downstream key"]}.')
        self._down = {up: (d,) if isinstance(d, str) else tuple(d) for up, d in given.items()}

    def upstream(self, numbers: PartitionSet, down: PartitionSpace, up: PartitionSpace) -> Upstream:
        wanted = {down.key(number) for number in numbers}
        keys = (key for key, downs in self._down.items() if not wanted.isdisjoint(downs))
        return Upstream(there=_numbers(keys, up))

    def downstream(
        self, numbers: PartitionSet, up: PartitionSpace, down: PartitionSpace
    ) -> PartitionSet:
        keys = (up.key(number) for number in numbers)
        return _numbers((one for key in keys for one in self._down.get(key, ())), down)

    def check(self, down: PartitionsDefinition | None, up: PartitionsDefinition | None) -> None:
        downstream = [key for given in self._down.values() for key in given]
        for name, one, keys in (("upstream", up, self._down), ("downstream", down, downstream)):
            if one is None or one.to_json()["kind"] != "static":
                self.refuse(f"needs static partitions {name}", "Use another mapping.")
            for key in keys:
                if not one.has_partition_key(key):
                    mend = f"{one.near(key)}{one.describe()}"
                    self.refuse(f"names {key!r}, which is no {name} partition", mend)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "keys": {up: list(down) for up, down in self._down.items()}}


def _base(one: PartitionsDefinition) -> type:
    is_time = isinstance(one, TimeWindowPartitionsDefinition)
    return TimeWindowPartitionsDefinition if is_time else type(one)


def same_numbers(down: PartitionSpace, up: PartitionSpace) -> bool:
    """Whether a partition of one key has one number on both sides."""
    if isinstance(down, TimeSpace) and isinstance(up, TimeSpace):
        a, b = down.definition, up.definition
        return a.calendar == b.calendar and a.fmt == b.fmt
    if isinstance(down, ProductSpace) and isinstance(up, ProductSpace):
        return down.definition == up.definition
    return down is up


def _numbers(keys: Iterable[str], space: PartitionSpace) -> PartitionSet:
    found = (space.number(key) for key in keys)
    return PartitionSet.of(one for one in found if one is not None)
