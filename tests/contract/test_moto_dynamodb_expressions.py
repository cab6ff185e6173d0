"""Expressions are compiled once; what is out of the ordinary is left to moto."""

from __future__ import annotations

from typing import Any

import pytest
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]

from tests.contract.moto_engines import THINGS, as_it_is, key, number, repaired
from tidegate.local.repairs import dynamodb_expressions, expressions
from tidegate.local.repairs.operators import UnusualError


class Parsed:
    """Counts how often moto parses an update expression."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        make = UpdateExpressionParser.make

        def counted(expression: str) -> Any:
            self.count += 1
            return make(expression)

        patch.setattr(UpdateExpressionParser, "make", counted)


def update_often(client: Any) -> None:
    for value in range(5):
        client.update_item(
            TableName=THINGS,
            Key=key(),
            UpdateExpression="SET a = :v",
            ExpressionAttributeValues={":v": number(value)},
        )


def test_ordinary_update_is_not_parsed_by_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    with repaired() as client:
        parsed = Parsed(monkeypatch)

        update_often(client)

        assert parsed.count == 0


def test_moto_still_parses_an_update_twice_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with as_it_is() as client:
        parsed = Parsed(monkeypatch)

        update_often(client)

        assert parsed.count == 10


@pytest.mark.parametrize(
    "expression",
    [
        "SET a.b = :v",
        "SET a[0] = :v",
        "SET a = list_append(a, :v)",
        "SET a = :v, a = :v",
        "SET a = :v SET b = :v",
        "SET size = :v",
        "SET #nope = :v",
        "SET a = ",
        "SET a = :v !",
        "",
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_moto(expression: str) -> None:
    with pytest.raises(UnusualError):
        expressions.update(expression, ())


def test_number_that_is_none_is_left_to_moto() -> None:
    for wrong in ("x", "NaN", " 1"):
        with pytest.raises(UnusualError):
            dynamodb_expressions.typed({":v": {"N": wrong}})
