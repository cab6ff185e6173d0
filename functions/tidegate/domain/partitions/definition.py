"""Partitions: lists of names, windows of time, or combinations. Pure: "now" is always an argument, ``current_time``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Any, NoReturn, Protocol

from tidegate.domain.partitions.partition_set import PartitionSet
from tidegate.errors import DefinitionError, InvocationError, UnknownPartitionError

CONTROL_CHARACTERS = frozenset("\a\b\f\n\r\t\v\0")

PARTITION_TAG = "tidegate/partition"
RANGE_START_TAG = "tidegate/asset_partition_range_start"
RANGE_END_TAG = "tidegate/asset_partition_range_end"
"""Tags of runs: of one partition, or of all from one to another."""


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From ``start`` up to, and without, ``end``. Aware, in the zone of the definition.

    Python compares and subtracts times of one zone by the clock on the wall; take both to UTC for
    true durations.
    """

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class PartitionKeyRange:
    """Keys from ``start`` to ``end``, both included, in the order of the definition."""

    start: str
    end: str


DynamicKeys = Mapping[str, Iterable[str]]
"""Name of a dynamic definition -> its keys, in order; a mapping of keys to their numbers says which number each has."""


class PartitionSpace(Protocol):
    """The partitions of a definition at one moment, by number. Numbers keep the order of the keys, have gaps, and stay
    what they are as time goes on and keys are added."""

    @property
    def everything(self) -> PartitionSet:
        """All that there are."""

    def number(self, key: str) -> int | None:
        """The number of a key; None if there is no such partition."""

    def key(self, number: int) -> str:
        """The key of a number."""


class PartitionsDefinition:
    """What all kinds of partitions answer. Two are equal when their documents are.

    Where keys depend on the time, ``current_time`` says when; where they are dynamic, ``dynamic_partitions_store`` says which there are.
    """

    def space(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> PartitionSpace:
        """
        Raises:
            InvocationError: the keys depend on what is not given.
        """
        raise TypeError(f"{type(self).__name__} has no partitions.")

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> Sequence[str]:
        """All keys there are, in order.

        Raises:
            InvocationError: they depend on what is not given.
        """
        space = self.space(current_time, dynamic_partitions_store)
        return [space.key(number) for number in space.everything]

    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> bool:
        return self.space(current_time, dynamic_partitions_store).number(partition_key) is not None

    def get_first_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str | None:
        """The first key; None when there is none yet."""
        space = self.space(current_time, dynamic_partitions_store)
        first = space.everything.first
        return None if first is None else space.key(first)

    def get_last_partition_key(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str | None:
        """The last key; None when there is none yet."""
        space = self.space(current_time, dynamic_partitions_store)
        last = space.everything.last
        return None if last is None else space.key(last)

    def get_next_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str | None:
        """The key after this one; None when it is the last.

        Raises:
            UnknownPartitionError: there is no such key.
        """
        self.validate_partition_key(partition_key, current_time, dynamic_partitions_store)
        space = self.space(current_time, dynamic_partitions_store)
        number, last = space.number(partition_key), space.everything.last
        assert number is not None and last is not None
        after = (space.everything & PartitionSet.range(number + 1, last + 1)).first
        return None if after is None else space.key(after)

    def get_num_partitions(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> int:
        return len(self.space(current_time, dynamic_partitions_store).everything)

    def get_partition_keys_in_range(
        self,
        partition_key_range: PartitionKeyRange,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> Sequence[str]:
        """The keys of a range.

        Raises:
            UnknownPartitionError: one of its ends is no key.
            InvocationError: it ends before it starts.
        """
        found = self.subset_of_range(partition_key_range, current_time, dynamic_partitions_store)
        space = self.space(current_time, dynamic_partitions_store)
        return [space.key(number) for number in found]

    def subset_of_range(
        self,
        partition_key_range: PartitionKeyRange,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> PartitionSet:
        """The numbers of the keys of a range. Raises as ``get_partition_keys_in_range``."""
        numbers = []
        space = self.space(current_time, dynamic_partitions_store)
        for key in (partition_key_range.start, partition_key_range.end):
            number = space.number(key)
            if number is None:
                self.refuse_key(key, current_time, dynamic_partitions_store)
            numbers.append(number)
        if numbers[1] < numbers[0]:
            raise range_backwards(partition_key_range)
        return space.everything & PartitionSet.range(numbers[0], numbers[1] + 1)

    def validate_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> None:
        """Raise UnknownPartitionError unless the key is one at ``current_time``."""
        if not self.has_partition_key(partition_key, current_time, dynamic_partitions_store):
            self.refuse_key(partition_key, current_time, dynamic_partitions_store)

    def refuse_key(
        self,
        partition_key: str,
        current_time: datetime | None,
        dynamic_partitions_store: DynamicKeys | None,
    ) -> NoReturn:
        near = self.near(partition_key, current_time, dynamic_partitions_store)
        described = self.describe(current_time, dynamic_partitions_store)
        raise UnknownPartitionError(
            f"There is no partition {partition_key!r}.", mend=f"{near}{described}"
        )

    def near(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str:
        """``Did you mean ...? `` when a key is similar, else empty."""
        return ""

    def describe(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str:
        """Which keys there are, in one sentence."""
        first = self.get_first_partition_key(current_time, dynamic_partitions_store)
        if first is None:
            return "There is no partition yet."
        count = self.get_num_partitions(current_time, dynamic_partitions_store)
        last = self.get_last_partition_key(current_time, dynamic_partitions_store)
        return f"There are {count}: {first!r} to {last!r}." if count > 1 else f"There is {first!r}."

    def to_json(self) -> dict[str, Any]:
        """The form in the manifest; ``from_json`` reads it."""
        raise TypeError(f"{type(self).__name__} has no document.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionsDefinition) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(str(self.to_json()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_json()!r})"


def is_key(key: object) -> bool:
    """Text that can be a key by itself."""
    return (
        isinstance(key, str)
        and bool(key)
        and "..." not in key
        and CONTROL_CHARACTERS.isdisjoint(key)
    )


def range_backwards(given: PartitionKeyRange) -> InvocationError:
    return InvocationError(
        f"The range {given.start!r} to {given.end!r} ends before it starts.",
        mend="Give the earlier key first.",
    )


class KeySpace:
    """Partitions whose keys are a list."""

    def __init__(
        self, keys: Mapping[str, int], definition: PartitionsDefinition | None = None
    ) -> None:
        """Key -> number, in order of the numbers."""
        self._numbers, self.definition = keys, definition

    @cached_property
    def everything(self) -> PartitionSet:
        return PartitionSet.of(self._numbers.values())

    @cached_property
    def _keys(self) -> dict[int, str]:
        return {number: key for key, number in self._numbers.items()}

    def number(self, key: str) -> int | None:
        return self._numbers.get(key)

    def key(self, number: int) -> str:
        return self._keys[number]


class StaticPartitionsDefinition(PartitionsDefinition):
    """Partitions by name: ``StaticPartitionsDefinition(["de", "fr"])``.

    Raises:
        DefinitionError: a key comes twice, or is not text, or holds ``...`` or control characters.
    """

    def __init__(self, partition_keys: Sequence[str]) -> None:
        if isinstance(partition_keys, str) or not isinstance(partition_keys, Sequence):
            raise DefinitionError(
                f"StaticPartitionsDefinition has partition_keys={partition_keys!r}.",
                mend='Give a list of keys, such as ["de", "fr"].',
            )
        self._place: dict[str, int] = {}
        for number, key in enumerate(partition_keys):
            self._check(key)
            if key in self._place:
                raise DefinitionError(
                    f"StaticPartitionsDefinition has the key {key!r} twice.", mend="Once will do."
                )
            self._place[key] = number
        self._keys = tuple(partition_keys)
        self._space = KeySpace(self._place, self)

    @staticmethod
    def _check(key: Any) -> None:
        if not is_key(key):
            raise DefinitionError(
                f"StaticPartitionsDefinition has the key {key!r}.",
                mend="A key is text without `...` and without control characters.",
            )

    def space(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> PartitionSpace:
        return self._space

    def near(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str:
        close = get_close_matches(partition_key, self._keys, n=1)
        return f"Did you mean {close[0]!r}? " if close else ""

    def describe(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicKeys | None = None,
    ) -> str:
        if 1 < len(self._keys) <= 20:
            return f"There are {', '.join(map(repr, self._keys))}."
        return super().describe(current_time, dynamic_partitions_store)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "static", "keys": list(self._keys)}


@lru_cache(maxsize=256)
def _of_text(text: str) -> PartitionsDefinition:
    document = json.loads(text)
    if document.get("kind") == "static":
        return StaticPartitionsDefinition(document["keys"])
    if document.get("kind") == "dynamic":
        from tidegate.domain.partitions.dynamic import DynamicPartitionsDefinition

        return DynamicPartitionsDefinition(name=document["name"])
    if document.get("kind") == "time_window":
        from tidegate.domain.partitions.time_window import TimeWindowPartitionsDefinition

        return TimeWindowPartitionsDefinition.from_document(document)
    if document.get("kind") == "multi":
        from tidegate.domain.partitions.multi import MultiPartitionsDefinition

        return MultiPartitionsDefinition(
            {name: from_json(one) for name, one in document["dimensions"].items()}
        )
    raise DefinitionError(
        f"The manifest has partitions of kind {document.get('kind')!r}.",
        mend="Use the release that compiled it, or compile again.",
    )


def from_json(document: Mapping[str, Any]) -> PartitionsDefinition:
    """The definition that a document of the manifest describes.

    Raises:
        DefinitionError: no kind of partitions has such a document.
    """
    return _of_text(json.dumps(document))
