"""Capacity units: what DynamoDB bills for an operation on a table and its indexes.

A write costs a unit for each KB of the larger of the item before and after, and again for each global index whose entry
changes; in a transaction the table's share doubles. A read costs a unit for each 4 KB, half when eventually
consistent, two when transactional.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import GlobalSecondaryIndex, Table

WRITE_BYTES = 1024
READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as one global index holds it."""

    keys: tuple[Any, ...]
    size: int
    content: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """Sizes of an item in its table and its indexes; size 0 is no item."""

    size: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(kw_only=True)
class Units:
    """Units of one table."""

    table: float = 0.0
    indexes: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return self.table + sum(self.indexes.values())

    def add(self, other: Units) -> None:
        self.table += other.table
        for name, units in other.indexes.items():
            self.indexes[name] = self.indexes.get(name, 0.0) + units

    def to_json(self, table: str, detail: str) -> dict[str, Any]:
        """The ``ConsumedCapacity`` of an answer."""
        document: dict[str, Any] = {"TableName": table, "CapacityUnits": self.total}
        if detail == "INDEXES":
            document["Table"] = {"CapacityUnits": self.table}
            if self.indexes:
                document["GlobalSecondaryIndexes"] = {
                    name: {"CapacityUnits": units} for name, units in self.indexes.items()
                }
        return document


def footprint(table: Table, item: Item | None) -> Footprint:
    """What the item measures now."""
    if item is None:
        return Footprint()
    entries = {}
    for index in table.global_indexes:
        keys = tuple(item.attrs.get(name) for name in index.schema_key_attrs)
        if all(one is not None for one in keys):
            entries[index.name] = _entry(table, index, item, keys)
    return Footprint(attributes_size(item.attrs), entries)


def write_units(before: Footprint, after: Footprint, *, transaction: bool = False) -> Units:
    """Units of a write that turned one footprint into another."""
    table = max(1, _kilobytes(max(before.size, after.size)))
    units = Units(table=float(table * 2 if transaction else table))
    for name in before.entries.keys() | after.entries.keys():
        spent = _index_units(before.entries.get(name), after.entries.get(name))
        if spent:
            units.indexes[name] = float(spent)
    return units


def read_units(size: int, *, consistent: bool, transaction: bool = False) -> float:
    """Units of reading so many bytes; reading nothing costs as much as 4 KB."""
    whole = max(1, math.ceil(size / READ_BYTES))
    if transaction:
        return float(whole * 2)
    return float(whole) if consistent else whole / 2


def attributes_size(attributes: Mapping[str, DynamoType]) -> int:
    return sum(len(name.encode()) + value_size(value) for name, value in attributes.items())


def value_size(value: DynamoType) -> int:
    """Bytes of an attribute value, by DynamoDB's rules."""
    kind, inner = value.type, value.value
    if kind == "S":
        return len(inner) if inner.isascii() else len(inner.encode())
    if kind == "N":
        return _number_size(inner)
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "B":
        return _binary_size(inner)
    if kind == "M":
        return 3 + sum(len(name.encode()) + value_size(one) + 1 for name, one in inner.items())
    if kind == "L":
        return 3 + sum(value_size(one) + 1 for one in inner)
    if kind == "NS":
        return sum(map(_number_size, inner))
    if kind == "BS":
        return sum(map(_binary_size, inner))
    return sum(len(one.encode()) for one in inner)


@lru_cache(maxsize=4096)
def _number_size(text: str) -> int:
    digits = str(text).lower().split("e")[0].lstrip("+-").replace(".", "").strip("0")
    return math.ceil(len(digits) / 2) + 1 + str(text).startswith("-")


def _binary_size(value: str | bytes) -> int:
    if isinstance(value, bytes):
        return len(value)
    return len(value) * 3 // 4 - value.count("=")


def _kilobytes(size: int) -> int:
    return math.ceil(size / WRITE_BYTES)


def _index_units(before: Entry | None, after: Entry | None) -> int:
    if before is None or after is None:
        only = before or after
        return 0 if only is None else _kilobytes(only.size)
    if before.keys != after.keys:
        return _kilobytes(before.size) + _kilobytes(after.size)
    if before.content == after.content:
        return 0
    return _kilobytes(max(before.size, after.size))


def _entry(table: Table, index: GlobalSecondaryIndex, item: Item, keys: tuple[Any, ...]) -> Entry:
    attributes = projected(table, index, item)
    shown = {name: value.to_regular_json() for name, value in attributes.items()}
    return Entry(
        tuple((one.type, str(one.value)) for one in keys),
        attributes_size(attributes),
        json.dumps(shown, sort_keys=True, default=str),
    )


def projected(table: Table, index: GlobalSecondaryIndex, item: Item) -> dict[str, DynamoType]:
    """The attributes of the item that the index holds."""
    kind = (index.projection or {}).get("ProjectionType", "ALL")
    if kind == "ALL":
        return dict(item.attrs)
    names = {*table.table_key_attrs, *index.schema_key_attrs}
    if kind == "INCLUDE":
        names.update(index.projection.get("NonKeyAttributes", ()))
    return {name: value for name, value in item.attrs.items() if name in names}
