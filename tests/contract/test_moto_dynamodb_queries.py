"""Queries read one partition, in order, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto.dynamodb.models.table import Table

from tests.contract.moto_engines import (
    OTHERS,
    THINGS,
    as_it_is,
    key,
    number,
    repaired,
    text,
)

ENGINES = [repaired, *OTHERS]
LETTERS = "abcdefgh"


def fill(client: Any) -> None:
    """Eight items in partition p, some of them in the index under g = x; others around them."""
    for place, letter in enumerate(LETTERS):
        item = {**key(letter), "n": number(place)}
        if place % 2:
            item |= {"g": text("x"), "h": text(LETTERS[-place])}
        client.put_item(TableName=THINGS, Item=item)
        client.put_item(TableName=THINGS, Item={**key(letter, "other"), "n": number(-1)})
    client.put_item(TableName=THINGS, Item={**key("z"), "g": text("x")})


def query(client: Any, condition: str = "pk = :p", **more: Any) -> Any:
    values = {":p": text("p"), **more.pop("values", {})}
    return client.query(
        TableName=THINGS,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        **more,
    )


def sorts(answer: Any) -> str:
    return "".join(one["sk"]["S"] for one in answer["Items"])


def pages(client: Any, **more: Any) -> Iterator[Any]:
    start: dict[str, Any] = {}
    while True:
        answer = query(client, **more, **start)
        yield answer
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


@pytest.fixture(params=ENGINES)
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    with request.param() as made:
        fill(made)
        yield made


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("pk = :p", {}, "abcdefghz"),
        ("pk = :p AND sk = :a", {":a": text("c")}, "c"),
        ("pk = :p AND sk > :a", {":a": text("c")}, "defghz"),
        ("pk = :p AND sk >= :a", {":a": text("c")}, "cdefghz"),
        ("pk = :p AND sk < :a", {":a": text("c")}, "ab"),
        ("pk = :p AND sk <= :a", {":a": text("c")}, "abc"),
        ("pk = :p AND sk BETWEEN :a AND :b", {":a": text("c"), ":b": text("e")}, "cde"),
        ("pk = :p AND begins_with(sk, :a)", {":a": text("d")}, "d"),
        ("pk = :p AND begins_with(sk, :a)", {":a": text("y")}, ""),
        ("pk = :p AND sk = :a", {":a": text("cc")}, ""),
    ],
)
@pytest.mark.parametrize("forward", [True, False])
def test_key_condition(
    client: Any, condition: str, values: dict[str, Any], expected: str, forward: bool
) -> None:
    answer = query(client, condition, values=values, ScanIndexForward=forward)

    assert sorts(answer) == (expected if forward else expected[::-1])
    assert (answer["Count"], answer["ScannedCount"]) == (len(expected), len(expected))


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 8, 9, 10])
def test_pages_are_all_items_once(client: Any, limit: int, forward: bool) -> None:
    found = [sorts(one) for one in pages(client, Limit=limit, ScanIndexForward=forward)]

    expected = "abcdefghz" if forward else "zhgfedcba"
    assert "".join(found) == expected
    assert all(len(one) <= limit for one in found)


def test_page_that_reached_its_limit_always_has_a_key(client: Any) -> None:
    exact, larger = query(client, Limit=9), query(client, Limit=10)

    assert exact["LastEvaluatedKey"] == key("z")
    assert "LastEvaluatedKey" not in larger


def test_limit_counts_what_is_read_not_what_passes_the_filter(client: Any) -> None:
    answer = query(client, Limit=4, FilterExpression="n >= :three", values={":three": number(3)})

    assert (sorts(answer), answer["Count"], answer["ScannedCount"]) == ("d", 1, 4)
    assert answer["LastEvaluatedKey"] == key("d")


def test_page_ends_at_a_megabyte(client: Any) -> None:
    for place in range(4):
        client.put_item(TableName=THINGS, Item={**key(f"y{place}"), "big": text("x" * 300_000)})

    first, second = pages(client)

    assert len(first["Items"]) + len(second["Items"]) == 13
    assert len(second["Items"]) == 2


def test_page_goes_on_after_a_key_whose_item_is_gone(client: Any) -> None:
    first = query(client, Limit=3)
    client.delete_item(TableName=THINGS, Key=first["LastEvaluatedKey"])

    second = query(client, Limit=3, ExclusiveStartKey=first["LastEvaluatedKey"])

    assert (sorts(first), sorts(second)) == ("abc", "def")


@pytest.mark.parametrize("forward", [True, False])
def test_index_holds_what_has_its_keys_in_its_own_order(client: Any, forward: bool) -> None:
    answer = client.query(
        TableName=THINGS,
        IndexName="by-g",
        KeyConditionExpression="g = :x",
        ExpressionAttributeValues={":x": text("x")},
        ScanIndexForward=forward,
    )

    found = [(one["h"]["S"], one["sk"]["S"]) for one in answer["Items"]]
    expected = [("b", "h"), ("d", "f"), ("f", "d"), ("h", "b")]
    assert found == (expected if forward else expected[::-1])


def test_index_of_keys_answers_keys_and_pages(client: Any) -> None:
    asked: dict[str, Any] = {
        "TableName": THINGS,
        "IndexName": "by-g-keys",
        "KeyConditionExpression": "g = :x",
        "ExpressionAttributeValues": {":x": text("x")},
        "Limit": 3,
    }
    first = client.query(**asked)
    second = client.query(**asked, ExclusiveStartKey=first["LastEvaluatedKey"])

    items = [*first["Items"], *second["Items"]]
    assert sorted(one["sk"]["S"] for one in items) == ["b", "d", "f", "h", "z"]
    assert {name for one in items for name in one} == {"pk", "sk", "g"}


def test_index_is_never_read_consistently(client: Any) -> None:
    with pytest.raises(client.exceptions.ClientError, match="Consistent reads are not supported"):
        client.query(
            TableName=THINGS,
            IndexName="by-g",
            KeyConditionExpression="g = :x",
            ExpressionAttributeValues={":x": text("x")},
            ConsistentRead=True,
        )


class Walks:
    """Counts how often all items of a table are walked."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        all_items = Table.all_items

        def counted(table: Table) -> Any:
            self.count += 1
            return all_items(table)

        patch.setattr(Table, "all_items", counted)


def test_query_walks_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    with repaired() as client:
        fill(client)
        walks = Walks(monkeypatch)

        query(client)

        assert walks.count == 0


def test_moto_still_walks_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    with as_it_is() as client:
        fill(client)
        walks = Walks(monkeypatch)

        query(client)

        assert walks.count > 0


def test_moto_still_gives_no_key_after_an_exact_page() -> None:
    with as_it_is() as client:
        fill(client)

        assert "LastEvaluatedKey" not in query(client, Limit=9)
