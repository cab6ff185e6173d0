"""Transactions happen once, and whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.models import dynamodb_backends

from tests.contract.moto_engines import (
    OTHERS,
    THINGS,
    as_it_is,
    key,
    number,
    repaired,
    repaired_over_http,
    text,
)

REPAIRED = [repaired, repaired_over_http, *OTHERS]


def put(sort: str, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": THINGS, "Item": {**key(sort), "n": number(1)}, **more}}


def add(sort: str, by: int = 1) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": THINGS,
            "Key": key(sort),
            "UpdateExpression": "ADD n :by",
            "ExpressionAttributeValues": {":by": number(by)},
        }
    }


def check(sort: str, condition: str = "attribute_exists(pk)") -> dict[str, Any]:
    return {
        "ConditionCheck": {
            "TableName": THINGS,
            "Key": key(sort),
            "ConditionExpression": condition,
        }
    }


def delete(sort: str) -> dict[str, Any]:
    return {"Delete": {"TableName": THINGS, "Key": key(sort)}}


def stored(client: Any) -> dict[str, str]:
    answer = client.query(
        TableName=THINGS,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": text("p")},
    )
    return {one["sk"]["S"]: one["n"]["N"] for one in answer["Items"]}


def reasons(error: pytest.ExceptionInfo[ClientError]) -> list[str]:
    shown: Any = error.value.response
    return [one["Code"] for one in shown["CancellationReasons"]]


@pytest.mark.parametrize("engine", REPAIRED)
def test_all_actions_are_done(engine: Any) -> None:
    with engine() as client:
        client.transact_write_items(TransactItems=[put("a"), put("b"), put("c")])
        client.transact_write_items(
            TransactItems=[add("a", 4), delete("b"), check("c"), add("d", 7)]
        )

        assert stored(client) == {"a": "5", "c": "1", "d": "7"}


@pytest.mark.parametrize("engine", REPAIRED)
def test_nothing_is_done_when_one_condition_fails(engine: Any) -> None:
    with engine() as client:
        client.transact_write_items(TransactItems=[put("a"), put("b")])

        with pytest.raises(ClientError) as refused:
            client.transact_write_items(
                TransactItems=[add("a"), delete("b"), put("c"), check("nope")]
            )

        assert reasons(refused) == ["None", "None", "None", "ConditionalCheckFailed"]
        assert stored(client) == {"a": "1", "b": "1"}


@pytest.mark.parametrize("engine", REPAIRED)
def test_every_condition_that_fails_is_told(engine: Any) -> None:
    with engine() as client:
        with pytest.raises(ClientError) as refused:
            client.transact_write_items(TransactItems=[check("x"), put("a"), check("y")])

        assert reasons(refused) == ["ConditionalCheckFailed", "None", "ConditionalCheckFailed"]


@pytest.mark.parametrize("engine", REPAIRED)
def test_item_that_stood_in_the_way_is_shown_when_asked_for(engine: Any) -> None:
    condition = {
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    with engine() as client:
        client.transact_write_items(TransactItems=[put("a")])

        with pytest.raises(ClientError) as refused:
            client.transact_write_items(TransactItems=[put("a", **condition), put("b")])

        shown: Any = refused.value.response
        assert shown["CancellationReasons"][0]["Item"] == {**key("a"), "n": number(1)}


@pytest.mark.parametrize("engine", REPAIRED)
def test_repeated_with_its_token_it_is_done_once(engine: Any) -> None:
    with engine() as client:
        for _ in range(3):
            client.transact_write_items(TransactItems=[add("a")], ClientRequestToken="token")

        assert stored(client) == {"a": "1"}


@pytest.mark.parametrize("engine", REPAIRED)
def test_token_with_other_parameters_is_refused(engine: Any) -> None:
    with engine() as client:
        client.transact_write_items(TransactItems=[add("a")], ClientRequestToken="token")

        with pytest.raises(ClientError) as refused:
            client.transact_write_items(TransactItems=[add("a", 2)], ClientRequestToken="token")

        assert refused.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"
        assert stored(client) == {"a": "1"}


@pytest.mark.parametrize("engine", [repaired, repaired_over_http])
def test_token_of_a_cancelled_transaction_may_be_used_again(engine: Any) -> None:
    with engine() as client:
        items = [check("a"), put("b")]
        with pytest.raises(ClientError):
            client.transact_write_items(TransactItems=items, ClientRequestToken="token")
        client.put_item(TableName=THINGS, Item={**key("a"), "n": number(1)})

        client.transact_write_items(TransactItems=items, ClientRequestToken="token")

        assert stored(client) == {"a": "1", "b": "1"}


@pytest.mark.parametrize("engine", REPAIRED)
def test_update_that_does_not_fit_what_is_stored_cancels_the_transaction(engine: Any) -> None:
    with engine() as client:
        client.put_item(TableName=THINGS, Item={**key("a"), "n": text("words")})

        with pytest.raises(ClientError) as refused:
            client.transact_write_items(TransactItems=[put("b"), add("a")])

        assert reasons(refused) == ["None", "ValidationError"]
        answer = client.get_item(TableName=THINGS, Key=key("b"))
        assert "Item" not in answer


@pytest.mark.parametrize("engine", REPAIRED)
@pytest.mark.parametrize(
    "items", [[put("a"), delete("a")], [put(f"s{n}") for n in range(101)]], ids=["twice", "101"]
)
def test_request_that_is_none_is_refused(engine: Any, items: list[Any]) -> None:
    with engine() as client:
        with pytest.raises(ClientError) as refused:
            client.transact_write_items(TransactItems=items)

        assert refused.value.response["Error"]["Code"] == "ValidationException"
        assert stored(client) == {}


def table_objects() -> list[int]:
    return [id(one) for one in dynamodb_backends["123456789012"]["us-east-1"].tables.values()]


def test_a_cancelled_transaction_leaves_the_table_in_place() -> None:
    with repaired() as client:
        before = table_objects()
        with pytest.raises(ClientError):
            client.transact_write_items(TransactItems=[put("a"), check("nope")])

        assert table_objects() == before


def test_moto_still_replaces_it_by_a_copy() -> None:
    with as_it_is() as client:
        before = table_objects()
        with pytest.raises(ClientError):
            client.transact_write_items(TransactItems=[put("a"), check("nope")])

        assert table_objects() != before


def test_moto_still_ignores_tokens() -> None:
    with as_it_is() as client:
        for _ in range(3):
            client.transact_write_items(TransactItems=[add("a")], ClientRequestToken="token")

        assert stored(client) == {"a": "3"}


def test_moto_still_answers_a_failed_validation_as_if_the_request_were_malformed() -> None:
    with as_it_is() as client:
        client.put_item(TableName=THINGS, Item={**key("a"), "n": text("words")})

        with pytest.raises(ClientError) as refused:
            client.transact_write_items(TransactItems=[put("b"), add("a")])

        assert refused.value.response["Error"]["Code"] == "ValidationException"
