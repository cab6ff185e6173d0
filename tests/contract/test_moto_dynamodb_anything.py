"""Any condition and any update does the same on every engine, and any query what moto's own does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.contract.moto_engines import THINGS, key, number, side_by_side, text
from tidegate.local.repairs import dynamodb_queries
from tidegate.local.service import ServiceError

Value = dict[str, Any]

NUMBERS = st.integers(-3, 3).map(number)
TEXTS = st.text(alphabet="ab", max_size=2).map(text)
NUMBER_SETS = st.sets(st.integers(0, 3).map(str), min_size=1).map(lambda one: {"NS": sorted(one)})
TEXT_SETS = st.sets(st.sampled_from("ab"), min_size=1).map(lambda one: {"SS": sorted(one)})
VALUES = st.one_of(NUMBERS, TEXTS, NUMBER_SETS, TEXT_SETS, st.just({"BOOL": True}))
NAMES = st.sampled_from(["a", "b", "#c"])
ITEMS = st.one_of(st.none(), st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3))

OPERANDS = st.one_of(NAMES, st.sampled_from([":x", ":y"]))
COMPARED = st.builds(
    "{} {} {}".format, NAMES, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), OPERANDS
)
ATOMS = st.one_of(
    COMPARED,
    st.builds("attribute_exists({})".format, NAMES),
    st.builds("attribute_not_exists({})".format, NAMES),
    st.builds("begins_with({}, :x)".format, NAMES),
    st.builds("contains({}, :x)".format, NAMES),
    st.builds("{} BETWEEN :x AND :y".format, NAMES),
    st.builds("{} IN (:x, :y)".format, NAMES),
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("(NOT {} OR {})".format, ATOMS, inner),
        st.builds("(NOT ({} AND {}))".format, ATOMS, inner),
    ),
    max_leaves=4,
)
SETS = st.one_of(
    st.builds("SET {} = :x".format, NAMES),
    st.builds("SET {} = {} + :x".format, NAMES, NAMES),
    st.builds("SET {} = {} - :x".format, NAMES, NAMES),
    st.builds("SET {} = if_not_exists({}, :x)".format, NAMES, NAMES),
    st.builds("SET {} = if_not_exists({}, :x) + :y".format, NAMES, NAMES),
    st.builds("SET {} = {}".format, NAMES, NAMES),
    st.just("SET a = b, b = a"),
)
UPDATES = st.one_of(
    SETS,
    st.builds("REMOVE {}".format, NAMES),
    st.builds("ADD {} :x".format, NAMES),
    st.builds("DELETE {} :x".format, NAMES),
    st.just("SET a = :x REMOVE b ADD #c :y"),
)


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[str, Any]]:
    with side_by_side() as clients:
        yield clients


def placeholders(*texts: str, x: Value, y: Value) -> dict[str, Any]:
    """Names and values as the expressions use them."""
    used = " ".join(texts)
    found: dict[str, Any] = {}
    if "#c" in used:
        found["ExpressionAttributeNames"] = {"#c": "c"}
    values = {name: value for name, value in ((":x", x), (":y", y)) if name in used}
    if values:
        found["ExpressionAttributeValues"] = values
    return found


def outcome(client: Any, item: Any, **parameters: Any) -> Any:
    """What an update of a fresh item answers and leaves, or how it is refused."""
    client.delete_item(TableName=THINGS, Key=key())
    if item is not None:
        client.put_item(TableName=THINGS, Item={**key(), **item})
    try:
        answer = client.update_item(
            TableName=THINGS, Key=key(), ReturnValues="ALL_NEW", **parameters
        )
    except ServiceError as error:
        return error.code, plain(read(client))
    return plain(answer["Attributes"]), plain(read(client))


def read(client: Any) -> Any:
    return client.get_item(TableName=THINGS, Key=key()).get("Item")


def plain(item: Any) -> Any:
    """Sets have no order."""
    if item is None:
        return None
    return {
        name: {kind: sorted(inner) if kind in ("SS", "NS") else inner}
        for name, value in item.items()
        for kind, inner in value.items()
    }


def is_well_typed(condition: str, x: Value, y: Value) -> bool:
    """DynamoDB refuses operands that can never fit; moto does not, and no program of ours sends them."""
    kinds = {*x} | {*y}
    if "begins_with" in condition and "S" not in x:
        return False
    if any(one in condition for one in ("< ", "> ", "<=", ">=", "BETWEEN")) and not kinds <= {
        "S",
        "N",
    }:
        return False
    if "BETWEEN" not in condition:
        return True
    return len(kinds) == 1 and (int(x["N"]) <= int(y["N"]) if "N" in x else x["S"] <= y["S"])


@given(item=ITEMS, condition=CONDITIONS, x=VALUES, y=VALUES)
def test_condition_holds_on_all_engines_or_on_none(
    engines: dict[str, Any], item: Any, condition: str, x: Value, y: Value
) -> None:
    assume(is_well_typed(condition, x, y))
    asked = {
        "UpdateExpression": "SET done = :x",
        "ConditionExpression": condition,
        **placeholders(condition, ":x", x=x, y=y),
    }

    outcomes = {name: outcome(client, item, **asked) for name, client in engines.items()}

    assert all(one == outcomes["moto"] for one in outcomes.values()), outcomes


@given(item=ITEMS, update=UPDATES, x=VALUES, y=VALUES)
def test_update_does_the_same_on_all_engines(
    engines: dict[str, Any], item: Any, update: str, x: Value, y: Value
) -> None:
    asked = {"UpdateExpression": update, **placeholders(update, x=x, y=y)}

    outcomes = {name: outcome(client, item, **asked) for name, client in engines.items()}

    assert all(one == outcomes["moto"] for one in outcomes.values()), outcomes


SORTS = st.lists(
    st.text(alphabet="ab#0", min_size=1, max_size=4), min_size=1, max_size=12, unique=True
)
COMPARISONS = st.sampled_from(
    ["", *(f" AND sk {sign} :a" for sign in ("=", "<", "<=", ">", ">="))]
    + [" AND begins_with(sk, :a)", " AND sk BETWEEN :a AND :b"]
)
PARTITIONS = itertools.count()


@given(
    stored=SORTS,
    comparison=COMPARISONS,
    bounds=st.tuples(*[st.text(alphabet="ab#0", min_size=1, max_size=3)] * 2),
    forward=st.booleans(),
    limit=st.one_of(st.none(), st.integers(1, 5)),
    gone=st.integers(0, 3),
)
def test_query_answers_what_motos_own_does(
    engines: dict[str, Any],
    stored: list[str],
    comparison: str,
    bounds: tuple[str, str],
    forward: bool,
    limit: int | None,
    gone: int,
) -> None:
    client, partition = engines["moto"], f"p{next(PARTITIONS)}"
    for sort in stored:
        client.put_item(TableName=THINGS, Item=key(sort, partition))
    for sort in stored[:gone]:
        client.delete_item(TableName=THINGS, Key=key(sort, partition))
    low, high = sorted(bounds)
    asked = {
        "TableName": THINGS,
        "KeyConditionExpression": f"pk = :p{comparison}",
        "ExpressionAttributeValues": {
            ":p": text(partition),
            **({":a": text(low)} if ":a" in comparison else {}),
            **({":b": text(high)} if ":b" in comparison else {}),
        },
        "ScanIndexForward": forward,
    }

    ours = client.query(**asked, **({"Limit": limit} if limit else {}))
    with dynamodb_queries.REPAIR.removed():
        theirs = client.query(**asked)

    assert ours["Items"] == theirs["Items"][: limit or None]
