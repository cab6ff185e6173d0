"""Copies of the items an operation is about to change, so that it can be undone; and reading and writing by key."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

Key = tuple[Table, DynamoType, DynamoType | None]


def key_of(table: Table, attributes: Mapping[str, Any]) -> Key:
    """The primary key among some attributes, which must hold it."""
    sort = table.range_key_attr
    return (
        table,
        DynamoType(attributes[table.hash_key_attr]),
        None if sort is None else DynamoType(attributes[sort]),
    )


def find(key: Key) -> Item | None:
    """The stored item; unlike moto's own look-up this makes no empty partition."""
    table, partition, sort = key
    if sort is None:
        found: Any = table.items.get(partition)
        return found if isinstance(found, Item) else None
    return table.items[partition].get(sort) if partition in table.items else None


def put(key: Key, item: Item | None) -> None:
    """Store the item under its key, whatever is there; None takes away what is there."""
    table, partition, sort = key
    items: Any = table.items
    if sort is None:
        if item is None:
            items.pop(partition, None)
        else:
            items[partition] = item
    elif item is None:
        items[partition].pop(sort, None)
    else:
        items[partition][sort] = item


class Undo:
    """``restore`` puts the items back as they were when this was made."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._before = [(key, copy.deepcopy(find(key))) for key in keys]

    def restore(self) -> None:
        for key, item in self._before:
            put(key, item)
