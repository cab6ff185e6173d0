"""Partitions: a list of names, or windows of time. Pure: "now" is always an argument,
``current_time``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from tidegate.errors import DefinitionError, InvocationError, UnknownPartitionError

_CONTROL = frozenset("\a\b\f\n\r\t\v\0")


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


class PartitionsDefinition:
    """What all kinds of partitions answer. Two are equal when their documents are."""

    def get_partition_keys(self, current_time: datetime | None = None) -> Sequence[str]:
        """All keys there are at ``current_time``, in order.

        Raises:
            InvocationError: the keys depend on the time, and none is given.
        """
        raise TypeError(f"{type(self).__name__} lists no keys.")

    def has_partition_key(self, partition_key: str, current_time: datetime | None = None) -> bool:
        return partition_key in self.get_partition_keys(current_time)

    def get_first_partition_key(self, current_time: datetime | None = None) -> str | None:
        """The first key; None when there is none yet."""
        return next(iter(self.get_partition_keys(current_time)), None)

    def get_last_partition_key(self, current_time: datetime | None = None) -> str | None:
        """The last key; None when there is none yet."""
        return next(iter(self.get_partition_keys(current_time)[-1:]), None)

    def get_num_partitions(self, current_time: datetime | None = None) -> int:
        return len(self.get_partition_keys(current_time))

    def get_partition_keys_in_range(
        self, partition_key_range: PartitionKeyRange, current_time: datetime | None = None
    ) -> Sequence[str]:
        """The keys of a range.

        Raises:
            UnknownPartitionError: one of its ends is no key.
            InvocationError: it ends before it starts.
        """
        for key in (partition_key_range.start, partition_key_range.end):
            self.validate_partition_key(key, current_time)
        keys = self.get_partition_keys(current_time)
        first, last = keys.index(partition_key_range.start), keys.index(partition_key_range.end)
        if last < first:
            raise InvocationError(
                f"The range {partition_key_range.start!r} to {partition_key_range.end!r} "
                "ends before it starts.",
                mend="Give the earlier key first.",
            )
        return keys[first : last + 1]

    def validate_partition_key(
        self, partition_key: str, current_time: datetime | None = None
    ) -> None:
        """Raise UnknownPartitionError unless the key is one at ``current_time``."""
        if not self.has_partition_key(partition_key, current_time):
            raise UnknownPartitionError(
                f"There is no partition {partition_key!r}.",
                mend=f"{self.near(partition_key, current_time)}{self.describe(current_time)}",
            )

    def near(self, partition_key: str, current_time: datetime | None = None) -> str:
        """``Did you mean ...? `` when a key is similar, else empty."""
        return ""

    def describe(self, current_time: datetime | None = None) -> str:
        """Which keys there are, in one sentence."""
        first = self.get_first_partition_key(current_time)
        if first is None:
            return "There is no partition yet."
        count = self.get_num_partitions(current_time)
        last = self.get_last_partition_key(current_time)
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

    @staticmethod
    def _check(key: Any) -> None:
        if not isinstance(key, str) or not key or "..." in key or not _CONTROL.isdisjoint(key):
            raise DefinitionError(
                f"StaticPartitionsDefinition has the key {key!r}.",
                mend="A key is text without `...` and without control characters.",
            )

    def get_partition_keys(self, current_time: datetime | None = None) -> Sequence[str]:
        return self._keys

    def has_partition_key(self, partition_key: str, current_time: datetime | None = None) -> bool:
        return partition_key in self._place

    def near(self, partition_key: str, current_time: datetime | None = None) -> str:
        close = get_close_matches(partition_key, self._keys, n=1)
        return f"Did you mean {close[0]!r}? " if close else ""

    def describe(self, current_time: datetime | None = None) -> str:
        if 1 < len(self._keys) <= 20:
            return f"There are {', '.join(map(repr, self._keys))}."
        return super().describe(current_time)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "static", "keys": list(self._keys)}


def from_json(document: Mapping[str, Any]) -> PartitionsDefinition:
    """The definition that a document of the manifest describes.

    Raises:
        DefinitionError: no kind of partitions has such a document.
    """
    if document.get("kind") == "static":
        return StaticPartitionsDefinition(document["keys"])
    if document.get("kind") == "time_window":
        from tidegate.domain.time_window import TimeWindowPartitionsDefinition

        return TimeWindowPartitionsDefinition.from_document(document)
    raise DefinitionError(
        f"The manifest has partitions of kind {document.get('kind')!r}.",
        mend="Use the release that compiled it, or compile again.",
    )
