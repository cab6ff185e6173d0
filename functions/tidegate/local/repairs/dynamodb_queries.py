"""Queries that read one partition, in order.

moto: a query by key sorts all items of the table and then looks for those of the partition (25 ms at 1,000 items); an index query
does so twice; and a page that ends exactly at ``Limit`` has no ``LastEvaluatedKey`` when nothing follows.
AWS: a query reads the items of one partition from where it starts to where its page ends, and a page that reached
``Limit`` always has a ``LastEvaluatedKey``.
Can go when moto keeps partitions sorted.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import GlobalSecondaryIndex, Table

from tidegate.local.capacity import attributes_size, projected
from tidegate.local.repairs.patch import Repair

PAGE_BYTES = 1024 * 1024

_table_init = Table.__init__
_table_query = Table.query
_table_scan = Table.scan

Rank = tuple[Any, ...]
"""What orders the items of a partition."""
Condition = tuple[str, list[DynamoType]]
"""(comparison, values) on the sort key."""


@dataclass
class Measure:
    """Bytes of the items that a query or scan evaluated."""

    bytes: int = 0


_MEASURE: ContextVar[Measure] = ContextVar("tidegate_query_measure")


@contextmanager
def measured() -> Iterator[Measure]:
    """Count what queries read in here."""
    measure = Measure()
    token = _MEASURE.set(measure)
    try:
        yield measure
    finally:
        _MEASURE.reset(token)


class Partition(dict[DynamoType, Item]):
    """The items of one partition key, by sort key, with the sort keys in order."""

    def __init__(self, items: Iterable[tuple[DynamoType, Item]] = ()) -> None:
        super().__init__()
        self.order: list[Any] = []
        for key, item in items:
            self[key] = item

    def __setitem__(self, key: DynamoType, item: Item) -> None:
        if key not in self:
            insort(self.order, key.cast_value)
        super().__setitem__(key, item)

    def pop(self, key: DynamoType, *default: Any) -> Any:
        if key in self:
            del self.order[bisect_left(self.order, key.cast_value)]
        return super().pop(key, *default)

    def __deepcopy__(self, memo: dict[int, Any]) -> Partition:
        return Partition(
            (copy.deepcopy(key, memo), copy.deepcopy(one, memo)) for key, one in self.items()
        )


def _init(self: Table, *args: Any, **more: Any) -> None:
    _table_init(self, *args, **more)
    if self.range_key_attr is not None:
        self.items = defaultdict(Partition)


def _query(
    self: Table,
    hash_key: DynamoType | None,
    range_comparison: str | None,
    range_objs: list[DynamoType],
    limit: int | None,
    exclusive_start_key: dict[str, Any] | None,
    scan_index_forward: bool,
    projection_expressions: list[list[str]] | None,
    index_name: str | None = None,
    consistent_read: bool = False,
    filter_expression: Any = None,
    **more: Any,
) -> tuple[list[Item], int, dict[str, Any] | None]:
    if hash_key is None or not _is_ordinary(self, more):
        return _table_query(
            self,
            hash_key,
            range_comparison,
            range_objs,
            limit,  # type: ignore[arg-type]
            exclusive_start_key,  # type: ignore[arg-type]
            scan_index_forward,
            projection_expressions,
            index_name,
            consistent_read,
            filter_expression,
            **more,
        )
    index = None if index_name is None else _index(self, index_name, consistent_read)
    condition = (range_comparison, range_objs) if range_comparison else None
    walk = Walk(self, index, hash_key, condition, exclusive_start_key, scan_index_forward)
    page, ended = _page(walk, limit)
    last = self._get_last_evaluated_key(page[-1], index_name) if ended else None
    items = [walk.shown(item) for item in copy.deepcopy(page)]
    if filter_expression is not None:
        items = [item for item in items if filter_expression.expr(item)]
    if projection_expressions:
        items = [item.project(projection_expressions) for item in items]
    return items, len(page), last


def _is_ordinary(table: Table, more: Mapping[str, Any]) -> bool:
    """Neither the old filters nor keys of several attributes."""
    conditions = (more.get("hash_key_conditions"), more.get("range_key_conditions"))
    filters = more.keys() - {"hash_key_conditions", "range_key_conditions"}
    return (
        not filters
        and table.range_key_attr is not None
        and all(len(one or ()) <= 1 for one in conditions)
    )


@dataclass(frozen=True)
class Walk:
    """The items of one partition of a table or an index, in the order of the query."""

    table: Table
    index: GlobalSecondaryIndex | None
    hash_key: DynamoType
    condition: Condition | None
    start: Mapping[str, Any] | None
    forward: bool

    def __iter__(self) -> Iterator[Item]:
        asked = (self.hash_key, self.condition, self.start, self.forward)
        if self.index is None:
            return _of_partition(self.table, *asked)
        return _of_index(self.table, self.index, *asked)

    def size(self, item: Item) -> int:
        """Bytes of the item as the table or index holds it."""
        if self.index is None:
            return attributes_size(item.attrs)
        return attributes_size(projected(self.table, self.index, item))

    def shown(self, item: Item) -> Item:
        """The item without what the index does not hold."""
        if self.index is not None:
            for name in item.attrs.keys() - projected(self.table, self.index, item).keys():
                del item.attrs[name]
        return item


def _of_partition(
    table: Table,
    hash_key: DynamoType,
    condition: Condition | None,
    start: Mapping[str, Any] | None,
    forward: bool,
) -> Iterator[Item]:
    partition: Any = table.items.get(hash_key)
    if not partition:
        return
    order = partition.order
    low, high = _bounds(order, condition)
    if start is not None:
        at = DynamoType(start[str(table.range_key_attr)]).cast_value
        low, high = (
            (max(low, bisect_right(order, at)), high)
            if forward
            else (low, min(high, bisect_left(order, at)))
        )
    kind = str(table.range_key_type)
    for place in range(low, high) if forward else range(high - 1, low - 1, -1):
        yield partition[DynamoType({kind: _uncast(order[place])})]


def _uncast(value: Any) -> Any:
    return value if isinstance(value, str | bytes) else str(value)


def _bounds(order: list[Any], condition: Condition | None) -> tuple[int, int]:
    """The places in the order that satisfy the condition: they are always one stretch."""
    if condition is None:
        return 0, len(order)
    comparison, values = condition[0].upper(), [one.cast_value for one in condition[1]]
    first, last = values[0], values[-1]
    if comparison == "BEGINS_WITH":
        length = len(first)
        return (
            bisect_left(order, first),
            bisect_right(order, first, key=lambda one: one[:length]),
        )
    low = {">": bisect_right, ">=": bisect_left, "=": bisect_left, "BETWEEN": bisect_left}
    high = {"<": bisect_left, "<=": bisect_right, "=": bisect_right, "BETWEEN": bisect_right}
    return (
        low[comparison](order, first) if comparison in low else 0,
        high[comparison](order, last) if comparison in high else len(order),
    )


def _index(table: Table, name: str, consistent: bool) -> GlobalSecondaryIndex:
    index: Any = {one.name: one for one in table.all_indexes()}.get(name)
    if index is None:
        raise MockValidationException(f"The table does not have the specified index: {name}")
    if consistent and isinstance(index, GlobalSecondaryIndex):
        raise MockValidationException(
            "Consistent reads are not supported on global secondary indexes"
        )
    found: GlobalSecondaryIndex = index
    return found


def _of_index(
    table: Table,
    index: GlobalSecondaryIndex,
    hash_key: DynamoType,
    condition: Condition | None,
    start: Mapping[str, Any] | None,
    forward: bool,
) -> Iterator[Item]:
    name, *others = index.schema_key_attrs
    ranking = [
        *others,
        *(one for one in table.table_key_attrs if one not in index.schema_key_attrs),
    ]

    def rank(attributes: Mapping[str, Any]) -> Rank:
        return tuple(_cast(attributes[one]) for one in ranking)

    ranked = sorted(
        (
            (rank(item.attrs), item)
            for partition in table.items.values()
            for item in partition.values()
            if name in item.attrs
            and item.attrs[name] == hash_key
            and all(one in item.attrs for one in others)
        ),
        key=lambda one: one[0],
        reverse=not forward,
    )
    after = None if start is None else rank(start)
    for place, item in ranked:
        if after is not None and (place <= after if forward else place >= after):
            continue
        if condition is None or item.attrs[others[0]].compare(*condition):
            yield item


def _cast(value: Any) -> Any:
    return (value if isinstance(value, DynamoType) else DynamoType(value)).cast_value


def _page(walk: Walk, limit: int | None) -> tuple[list[Item], bool]:
    """The items of one page, and whether it ended before the last of them was reached."""
    page: list[Item] = []
    total = 0
    ended = True
    for item in walk:
        more = walk.size(item)
        if page and total + more > PAGE_BYTES:
            break
        total += more
        page.append(item)
        if len(page) == limit:
            break
    else:
        ended = False
    _note(total)
    return page, ended


def _note(size: int) -> None:
    measure = _MEASURE.get(None)
    if measure is not None:
        measure.bytes += size


def _scan(self: Table, *args: Any, **more: Any) -> Any:
    _note(sum(attributes_size(item.attrs) for item in self.all_items()))
    return _table_scan(self, *args, **more)


REPAIR = Repair(
    "dynamodb queries",
    (Table, "__init__", _init),
    (Table, "query", _query),
    (Table, "scan", _scan),
)
