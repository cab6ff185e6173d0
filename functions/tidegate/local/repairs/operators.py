"""What the operators and functions of an expression do with attribute values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType

Attributes = Mapping[str, DynamoType]
Values = Mapping[str, DynamoType]
Test = Callable[[Attributes, Values], bool]
Operand = Callable[[Attributes, Values], DynamoType | None]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}
_ORDERED = frozenset({"S", "N"})
_SETS = frozenset({"SS", "NS", "BS"})


class UnusualError(Exception):
    """Not done here."""


def compare(sign: str, left: Operand, right: Operand) -> Test:
    if sign == "=":
        return lambda a, v: _equal(left(a, v), right(a, v))
    if sign == "<>":
        return lambda a, v: not _equal(left(a, v), right(a, v))
    compare = _COMPARISONS[sign]

    def test(attributes: Attributes, values: Values) -> bool:
        one: Any = left(attributes, values)
        other: Any = right(attributes, values)
        return _are_ordered(one, other) and compare(one.cast_value, other.cast_value)

    return test


def _equal(left: DynamoType | None, right: DynamoType | None) -> bool:
    if left is None or right is None:
        return False
    return left.type == right.type and bool(left.cast_value == right.cast_value)


def _are_ordered(left: Any, right: Any) -> bool:
    """Whether one can be less than the other: text and text, number and number."""
    return left is not None and right is not None and left.type == right.type in _ORDERED


def between(*operands: Operand) -> Test:
    def test(attributes: Attributes, values: Values) -> bool:
        found: list[Any] = [read(attributes, values) for read in operands]
        value, first, last = found
        if not (_are_ordered(value, first) and _are_ordered(value, last)):
            return False
        return bool(first.cast_value <= value.cast_value <= last.cast_value)

    return test


def among(operand: Operand, choices: list[Operand]) -> Test:
    return lambda a, v: any(_equal(operand(a, v), one(a, v)) for one in choices)


def exists(arguments: list[Operand]) -> Test:
    (one,) = _exactly(arguments, 1)
    return lambda a, v: one(a, v) is not None


def not_exists(arguments: list[Operand]) -> Test:
    (one,) = _exactly(arguments, 1)
    return lambda a, v: one(a, v) is None


def begins_with(arguments: list[Operand]) -> Test:
    one, prefix = _exactly(arguments, 2)

    def test(attributes: Attributes, values: Values) -> bool:
        value, start = one(attributes, values), prefix(attributes, values)
        if value is None or start is None or value.type != "S" or start.type != "S":
            return False
        return bool(value.value.startswith(start.value))

    return test


def contains(arguments: list[Operand]) -> Test:
    one, part = _exactly(arguments, 2)

    def test(attributes: Attributes, values: Values) -> bool:
        value, inner = one(attributes, values), part(attributes, values)
        if value is None or inner is None:
            return False
        if value.type not in {"S", *_SETS}:
            raise UnusualError(value.type)
        fits = inner.type == ("S" if value.type == "S" else value.type[0])
        return fits and inner.cast_value in value.cast_value

    return test


def _exactly(arguments: list[Operand], count: int) -> list[Operand]:
    if len(arguments) != count:
        raise UnusualError("arguments")
    return arguments


FUNCTIONS: dict[str, Callable[[list[Operand]], Test]] = {
    "attribute_exists": exists,
    "attribute_not_exists": not_exists,
    "begins_with": begins_with,
    "contains": contains,
}


def present(operand: Operand) -> Operand:
    def read(attributes: Attributes, values: Values) -> DynamoType:
        found = operand(attributes, values)
        if found is None:
            raise UnusualError("a missing attribute")
        return found

    return read


def decimal(value: DynamoType | None) -> Decimal:
    if value is None or value.type != "N":
        raise UnusualError("not a number")
    return Decimal(value.value)


def number(value: Decimal) -> DynamoType:
    whole = value == value.to_integral_value()
    return DynamoType({"N": str(int(value)) if whole else format(value.normalize(), "f")})


def add(attribute: str, operand: Operand) -> Operand:
    def added(attributes: Attributes, values: Values) -> DynamoType:
        given, stored = operand(attributes, values), attributes.get(attribute)
        if given is None or given.type not in {"N", *_SETS}:
            raise UnusualError("ADD")
        if stored is None:
            return given
        if stored.type != given.type:
            raise UnusualError("ADD")
        if given.type == "N":
            return number(decimal(stored) + decimal(given))
        have = _members(stored)
        new = [one for key, one in _members(given).items() if key not in have]
        return DynamoType({stored.type: [*stored.value, *new]})

    return added


def delete(attribute: str, operand: Operand) -> Operand:
    def left_over(attributes: Attributes, values: Values) -> DynamoType | None:
        given, stored = operand(attributes, values), attributes.get(attribute)
        if given is None or given.type not in _SETS:
            raise UnusualError("DELETE")
        if stored is None:
            return None
        if stored.type != given.type:
            raise UnusualError("DELETE")
        gone = _members(given)
        left = [one for key, one in _members(stored).items() if key not in gone]
        return DynamoType({stored.type: left}) if left else None

    return left_over


def _members(value: DynamoType) -> dict[Any, Any]:
    """The members of a set, by what makes them equal."""
    return {Decimal(one) if value.type == "NS" else one: one for one in value.value}
