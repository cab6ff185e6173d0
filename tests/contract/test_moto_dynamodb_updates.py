"""Updates happen whole or not at all, and answer what was updated."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

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
TOO_LARGE = "x" * (400 * 1024 + 1)


def update(client: Any, expression: str, values: dict[str, Any] | None = None, **more: Any) -> Any:
    return client.update_item(
        TableName=THINGS,
        Key=key(),
        UpdateExpression=expression,
        **({"ExpressionAttributeValues": values} if values else {}),
        **more,
    )


def stored(client: Any) -> dict[str, Any] | None:
    item: dict[str, Any] | None = client.get_item(TableName=THINGS, Key=key()).get("Item")
    return item


@pytest.mark.parametrize("engine", REPAIRED)
def test_refused_update_changes_nothing(engine: Any) -> None:
    with engine() as client:
        client.put_item(TableName=THINGS, Item={**key(), "a": number(1)})

        with pytest.raises(ClientError) as refused:
            update(client, "SET a = :two, b = :b", {":two": number(2), ":b": text(TOO_LARGE)})

        assert refused.value.response["Error"]["Code"] == "ValidationException"
        assert stored(client) == {**key(), "a": number(1)}


@pytest.mark.parametrize("engine", REPAIRED)
def test_refused_update_of_no_item_makes_none(engine: Any) -> None:
    with engine() as client:
        with pytest.raises(ClientError):
            update(client, "SET a = :b", {":b": text(TOO_LARGE)})

        assert stored(client) is None


@pytest.mark.parametrize("engine", REPAIRED)
@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        ("SET a = :v", {":v": number(5)}, {"a": number(5)}),
        ("SET c = :v", {":v": number(5)}, {"c": number(5)}),
        ("SET a = :v", {":v": number(1)}, {"a": number(1)}),
        ("REMOVE b", None, None),
        ("SET a = :v REMOVE b", {":v": number(5)}, {"a": number(5)}),
        ("ADD a :v", {":v": number(2)}, {"a": number(3)}),
        ("SET m.x = :v", {":v": number(5)}, {"m": {"M": {"x": number(5)}}}),
    ],
)
def test_updated_new_answers_what_the_expression_names(
    engine: Any, expression: str, values: dict[str, Any] | None, expected: Any
) -> None:
    item = {**key(), "a": number(1), "b": number(2), "m": {"M": {"x": number(1), "y": number(2)}}}
    with engine() as client:
        client.put_item(TableName=THINGS, Item=item)

        answer = update(client, expression, values, ReturnValues="UPDATED_NEW")

        assert answer.get("Attributes") == expected


@pytest.mark.parametrize("engine", REPAIRED)
def test_updated_new_of_a_new_item_leaves_out_the_key(engine: Any) -> None:
    with engine() as client:
        answer = update(client, "SET a = :v", {":v": number(1)}, ReturnValues="UPDATED_NEW")

        assert answer["Attributes"] == {"a": number(1)}


@pytest.mark.parametrize("engine", REPAIRED)
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("NONE", None),
        ("ALL_OLD", {**key(), "a": number(1), "b": number(2)}),
        ("ALL_NEW", {**key(), "a": number(5), "b": number(2), "c": number(6)}),
        ("UPDATED_OLD", {"a": number(1)}),
    ],
)
def test_return_values(engine: Any, wanted: str, expected: Any) -> None:
    with engine() as client:
        client.put_item(TableName=THINGS, Item={**key(), "a": number(1), "b": number(2)})

        answer = update(
            client,
            "SET a = :five, c = :six",
            {":five": number(5), ":six": number(6)},
            ReturnValues=wanted,
        )

        assert answer.get("Attributes") == expected


def test_moto_still_leaves_a_refused_update_half_done() -> None:
    with as_it_is() as client:
        client.put_item(TableName=THINGS, Item={**key(), "a": number(1)})

        with pytest.raises(ClientError):
            update(client, "SET a = :two, b = :b", {":two": number(2), ":b": text(TOO_LARGE)})

        assert stored(client) == {**key(), "a": number(2)}


def test_moto_still_answers_the_key_of_a_new_item() -> None:
    with as_it_is() as client:
        answer = update(client, "SET a = :v", {":v": number(1)}, ReturnValues="UPDATED_NEW")

        assert answer["Attributes"] == {**key(), "a": number(1)}
