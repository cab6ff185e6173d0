"""The bill: units are those of dynoxide, which are DynamoDB's; moto's own are a constant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.dynamodb.models.dynamo_type import DynamoType

from tests.contract.moto_engines import THINGS, both, key, number, text
from tidegate.local.capacity import value_size
from tidegate.local.service import ServiceError

ASK = {"TableName": THINGS, "ReturnConsumedCapacity": "INDEXES"}
MANY = {"ReturnConsumedCapacity": "INDEXES"}
BIG = text("x" * 2500)
INDEXED = {**key("indexed"), "g": text("1"), "h": text("1"), "big": BIG}


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[Any, Any]]:
    with both() as pair:
        yield pair


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
def test_operation_costs_what_it_costs_on_dynoxide(name: str, engines: tuple[Any, Any]) -> None:
    ours, theirs = engines
    for client in engines:
        fill(client)

    assert units(OPERATIONS[name](ours)) == units(OPERATIONS[name](theirs))


@pytest.mark.parametrize("detail", ["NONE", "TOTAL"])
def test_capacity_is_told_as_asked(detail: str, engines: tuple[Any, Any]) -> None:
    answers = [
        client.put_item(TableName=THINGS, Item=key("new"), ReturnConsumedCapacity=detail)
        for client in engines
    ]

    assert answers[0] == answers[1]


SIZES = st.integers(0, 3000)


@given(before=SIZES, after=SIZES, indexed=st.booleans())
def test_any_put_costs_what_it_costs_on_dynoxide(
    engines: tuple[Any, Any], before: int, after: int, indexed: bool
) -> None:
    more = {"g": text("1"), "h": text("1")} if indexed else {}
    costs = []
    for client in engines:
        client.put_item(TableName=THINGS, Item={**key("any"), **more, "a": text("x" * before)})
        costs.append(
            units(client.put_item(**ASK, Item={**key("any"), **more, "a": text("x" * after)}))
        )

    assert costs[0] == costs[1]


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


def test_refused_write_costs_what_it_would_have(engines: tuple[Any, Any]) -> None:
    ours, _ = engines
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
