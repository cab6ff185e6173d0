"""The bill: capacity units are DynamoDB's, on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.dynamodb.models.dynamo_type import DynamoType

from tests.contract.moto_engines import THINGS, key, number, side_by_side, text
from tidegate.local.capacity import value_size
from tidegate.local.service import ServiceError

ASK = {"TableName": THINGS, "ReturnConsumedCapacity": "INDEXES"}
MANY = {"ReturnConsumedCapacity": "INDEXES"}
BIG = text("x" * 2500)
INDEXED = {**key("indexed"), "g": text("1"), "h": text("1"), "big": BIG}


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, Any]]:
    with side_by_side() as clients:
        yield clients


def fill(client: Any) -> None:
    client.put_item(TableName=THINGS, Item={**key("plain"), "big": BIG})
    client.put_item(TableName=THINGS, Item=INDEXED)
    client.delete_item(TableName=THINGS, Key=key("new"))


def put(**attributes: Any) -> Callable[[Any], Any]:
    return lambda client: client.put_item(**ASK, Item={**key("new"), **attributes})


def update(sort: str, expression: str, **values: Any) -> Callable[[Any], Any]:
    more = {"ExpressionAttributeValues": {f":{name}": one for name, one in values.items()}}
    return lambda client: client.update_item(
        **ASK, Key=key(sort), UpdateExpression=expression, **(more if values else {})
    )


def get(sort: str, **more: Any) -> Callable[[Any], Any]:
    return lambda client: client.get_item(**ASK, Key=key(sort), **more)


def query(**more: Any) -> Callable[[Any], Any]:
    return lambda client: client.query(
        **{
            **ASK,
            "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": text("p")},
            **more,
        }
    )


def transact(*items: dict[str, Any]) -> Callable[[Any], Any]:
    return lambda client: client.transact_write_items(**MANY, TransactItems=list(items))


BY_G = {
    "IndexName": "by-g",
    "KeyConditionExpression": "g = :g",
    "ExpressionAttributeValues": {":g": text("1")},
}
CHECK = {
    "ConditionCheck": {
        "TableName": THINGS,
        "Key": key("plain"),
        "ConditionExpression": "attribute_exists(pk)",
    }
}

OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "put a small item": put(a=number(1)),
    "put 2.5 KB": put(big=BIG),
    "put into the indexes": put(g=text("1"), h=text("1"), big=BIG),
    "replace a large item by a small one": lambda client: client.put_item(**ASK, Item=key("plain")),
    "update an attribute": update("plain", "SET a = :v", v=number(1)),
    "update an indexed item": update("indexed", "SET a = :v", v=number(1)),
    "update nothing": update("indexed", "SET g = :v", v=text("1")),
    "move within the indexes": update("indexed", "SET g = :v", v=text("2")),
    "take out of the indexes": update("indexed", "REMOVE g"),
    "create by an update": update("new", "SET a = :v", v=number(1)),
    "delete": lambda client: client.delete_item(**ASK, Key=key("plain")),
    "delete an indexed item": lambda client: client.delete_item(**ASK, Key=key("indexed")),
    "delete nothing": lambda client: client.delete_item(**ASK, Key=key("nope")),
    "get": get("plain"),
    "get consistently": get("plain", ConsistentRead=True),
    "get nothing": get("nope"),
    "get nothing consistently": get("nope", ConsistentRead=True),
    "query": query(),
    "query consistently": query(ConsistentRead=True),
    "query nothing": query(ExpressionAttributeValues={":p": text("nobody")}),
    "query a page": query(Limit=1, ConsistentRead=True),
    "query and filter": query(
        FilterExpression="a = :a",
        ExpressionAttributeValues={":p": text("p"), ":a": text("b")},
        ConsistentRead=True,
    ),
    "query an index": query(**BY_G),
    "transact": transact({"Put": {"TableName": THINGS, "Item": {**INDEXED, **key("new")}}}, CHECK),
    "transact small items": transact(
        {"Put": {"TableName": THINGS, "Item": key("new")}},
        {"Delete": {"TableName": THINGS, "Key": key("nope")}},
    ),
    "transact an update": transact(
        {
            "Update": {
                "TableName": THINGS,
                "Key": key("indexed"),
                "UpdateExpression": "SET g = :v",
                "ExpressionAttributeValues": {":v": text("3")},
            }
        }
    ),
    "get in a transaction": lambda client: client.transact_get_items(
        **MANY,
        TransactItems=[
            {"Get": {"TableName": THINGS, "Key": key(one)}} for one in ("plain", "nope")
        ],
    ),
    "get a batch": lambda client: client.batch_get_item(
        **MANY, RequestItems={THINGS: {"Keys": [key("plain"), key("nope")]}}
    ),
    "get a batch consistently": lambda client: client.batch_get_item(
        **MANY,
        RequestItems={THINGS: {"Keys": [key("plain"), key("nope")], "ConsistentRead": True}},
    ),
    "write a batch": lambda client: client.batch_write_item(
        **MANY,
        RequestItems={
            THINGS: [
                {"PutRequest": {"Item": {**key("new"), "big": BIG}}},
                {"DeleteRequest": {"Key": key("plain")}},
            ]
        },
    ),
}


COSTS: dict[str, tuple[float, dict[str, float]]] = {
    "put a small item": (1, {}),
    "put 2.5 KB": (3, {}),
    "put into the indexes": (3, {"by-g": 3, "by-g-keys": 1}),
    "replace a large item by a small one": (3, {}),
    "update an attribute": (3, {}),
    "update an indexed item": (3, {"by-g": 3}),
    "update nothing": (3, {}),
    "move within the indexes": (3, {"by-g": 6, "by-g-keys": 2}),
    "take out of the indexes": (3, {"by-g": 3, "by-g-keys": 1}),
    "create by an update": (1, {}),
    "delete": (3, {}),
    "delete an indexed item": (3, {"by-g": 3, "by-g-keys": 1}),
    "delete nothing": (1, {}),
    "get": (0.5, {}),
    "get consistently": (1, {}),
    "get nothing": (0.5, {}),
    "get nothing consistently": (1, {}),
    "query": (1, {}),
    "query consistently": (2, {}),
    "query nothing": (0.5, {}),
    "query a page": (1, {}),
    "query and filter": (2, {}),
    "query an index": (0, {"by-g": 0.5}),
    "transact": (12, {"by-g": 3, "by-g-keys": 1}),
    "transact small items": (4, {}),
    "transact an update": (6, {"by-g": 6, "by-g-keys": 2}),
    "get in a transaction": (4, {}),
    "get a batch": (1, {}),
    "get a batch consistently": (2, {}),
    "write a batch": (6, {}),
}
"""Of the table, and of each index."""


def units(answer: Any) -> Any:
    """(of the table, of each index) in all."""
    shown = answer["ConsumedCapacity"]
    one = shown[0] if isinstance(shown, list) else shown
    indexes = {
        name: spent["CapacityUnits"]
        for name, spent in one.get("GlobalSecondaryIndexes", {}).items()
    }
    return one["CapacityUnits"], one["Table"]["CapacityUnits"], indexes


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_costs_its_units(name: str, engines: dict[str, Any]) -> None:
    for engine, client in engines.items():
        fill(client)

        total, table, indexes = units(OPERATIONS[name](client))

        assert (table, indexes) == COSTS[name], engine
        assert total == table + sum(indexes.values())


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("NONE", None),
        ("TOTAL", {"TableName": THINGS, "CapacityUnits": 1.0}),
        (
            "INDEXES",
            {"TableName": THINGS, "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}},
        ),
    ],
)
def test_capacity_is_told_as_asked(detail: str, expected: Any, engines: dict[str, Any]) -> None:
    for client in engines.values():
        fill(client)

        answer = client.put_item(TableName=THINGS, Item=key("new"), ReturnConsumedCapacity=detail)

        assert answer.get("ConsumedCapacity") == expected


SIZES = st.integers(0, 3000)


@given(before=SIZES, after=SIZES, indexed=st.booleans())
def test_any_put_costs_the_same_on_every_engine(
    engines: dict[str, Any], before: int, after: int, indexed: bool
) -> None:
    more = {"g": text("1"), "h": text("1")} if indexed else {}
    costs = []
    for client in engines.values():
        client.put_item(TableName=THINGS, Item={**key("any"), **more, "a": text("x" * before)})
        costs.append(
            units(client.put_item(**ASK, Item={**key("any"), **more, "a": text("x" * after)}))
        )

    assert all(one == costs[0] for one in costs)
    assert costs[0][1] >= max(before, after) / 1024


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (text("é"), 2),
        ({"B": "AAEC"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"M": {"a": text("bc")}}, 3 + 1 + 2 + 1),
        ({"L": [text("abc"), {"BOOL": True}]}, 3 + 4 + 2),
        ({"SS": ["ab", "c"]}, 3),
        ({"NS": ["1", "100"]}, 4),
        ({"BS": ["AAE=", "AA=="]}, 3),
        (number("0"), 1),
        (number("1234"), 3),
        (number("-1234"), 4),
        (number("1E+30"), 2),
    ],
)
def test_size_of_a_value(value: dict[str, Any], size: int) -> None:
    assert value_size(DynamoType(value)) == size


def test_refused_write_costs_what_it_would_have(engines: dict[str, Any]) -> None:
    ours = engines["moto"]
    fill(ours)
    calls = ours._engine._calls
    before = calls.of().write_units

    with pytest.raises(ServiceError):
        ours.put_item(
            TableName=THINGS, Item=key("plain"), ConditionExpression="attribute_not_exists(pk)"
        )
    with pytest.raises(ServiceError):
        ours.transact_write_items(
            TransactItems=[
                {"Delete": {"TableName": THINGS, "Key": key("indexed")}},
                {"ConditionCheck": {**CHECK["ConditionCheck"], "Key": key("nope")}},
            ]
        )

    assert calls.of().write_units - before == 3 + 2 * 3 + 2 * 1
