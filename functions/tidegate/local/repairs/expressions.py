"""Expressions of DynamoDB, compiled once: those on whole attributes, which is nearly all of them.

Whatever is out of the ordinary (paths into attributes, ``size``, operands of the wrong type, anything that is to be refused)
raises ``UnusualError``, and moto does it in its own way and with its own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

Attributes = Mapping[str, DynamoType]
Values = Mapping[str, DynamoType]
Test = Callable[[Attributes, Values], bool]
Operand = Callable[[Attributes, Values], DynamoType | None]
Names = tuple[tuple[str, str], ...]
"""ExpressionAttributeNames, sorted."""

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+\-]|[#:]?[A-Za-z0-9_]+)")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}
_ORDERED = frozenset({"S", "N"})
_SETS = frozenset({"SS", "NS", "BS"})
_WORDS = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN", "SET", "REMOVE", "ADD", "DELETE"})
_CLAUSES = frozenset({"SET", "REMOVE", "ADD", "DELETE"})


class UnusualError(Exception):
    """Not done here."""


@dataclass(frozen=True)
class Condition:
    test: Test
    names: frozenset[str]
    """Placeholders of names it uses."""
    values: frozenset[str]


@dataclass(frozen=True)
class Change:
    """One action of an update: answers the attribute's new value, or None to take it away."""

    attribute: str
    value: Operand


@dataclass(frozen=True)
class Update:
    changes: tuple[Change, ...]
    names: frozenset[str]
    values: frozenset[str]


@lru_cache(maxsize=1024)
def condition(text: str, names: Names) -> Condition:
    """Compile a condition, filter or key condition.

    Raises:
        UnusualError: it is left to moto.
    """
    reader = _Reader(text, dict(names))
    test = reader.disjunction()
    reader.expect_end()
    return Condition(test, frozenset(reader.used_names), frozenset(reader.used_values))


@lru_cache(maxsize=1024)
def update(text: str, names: Names) -> Update:
    """Compile an update.

    Raises:
        UnusualError: it is left to moto.
    """
    reader = _Reader(text, dict(names))
    changes = tuple(reader.clauses())
    attributes = [one.attribute for one in changes]
    if not changes or len(set(attributes)) < len(attributes):
        raise UnusualError(text)
    return Update(changes, frozenset(reader.used_names), frozenset(reader.used_values))


class _Reader:
    """A recursive-descent parser over the tokens of one expression."""

    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._names = names
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()

    # Tokens ---------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._next
        if wanted and token.upper() not in wanted:
            raise UnusualError(token)
        self._at += 1
        return token

    def _takes(self, wanted: str) -> bool:
        if self._next.upper() != wanted:
            return False
        self._at += 1
        return True

    def expect_end(self) -> None:
        if self._next:
            raise UnusualError(self._next)

    # Conditions -----------------------------------------------------------------------------------------------

    def disjunction(self) -> Test:
        tests = [self._conjunction()]
        while self._takes("OR"):
            tests.append(self._conjunction())
        return tests[0] if len(tests) == 1 else lambda a, v: any(one(a, v) for one in tests)

    def _conjunction(self) -> Test:
        tests = [self._negation()]
        while self._takes("AND"):
            tests.append(self._negation())
        return tests[0] if len(tests) == 1 else lambda a, v: all(one(a, v) for one in tests)

    def _negation(self) -> Test:
        if self._takes("NOT"):
            inner = self._negation()
            return lambda a, v: not inner(a, v)
        if self._takes("("):
            inner = self.disjunction()
            self._take(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        function = _FUNCTIONS.get(self._next)
        if function is not None:
            self._take()
            return function(self._arguments())
        left = self._operand()
        if self._takes("BETWEEN"):
            low = self._operand()
            self._take("AND")
            return _between(left, low, self._operand())
        if self._takes("IN"):
            return _among(left, self._arguments())
        sign = self._take("=", "<>", "<", "<=", ">", ">=")
        return _compare(sign, left, self._operand())

    def _arguments(self) -> list[Operand]:
        self._take("(")
        found = [self._operand()]
        while self._takes(","):
            found.append(self._operand())
        self._take(")")
        return found

    def _operand(self) -> Operand:
        if self._next.startswith(":"):
            name = self._take()
            self.used_values.add(name)
            return lambda _, values: _value(values, name)
        attribute = self._attribute()
        return lambda attributes, _: attributes.get(attribute)

    def _attribute(self) -> str:
        token = self._take()
        if token.startswith("#"):
            if token not in self._names:
                raise UnusualError(token)
            self.used_names.add(token)
            return self._names[token]
        if not token or not token[0].isalpha() or token.upper() in _RESERVED:
            raise UnusualError(token)
        return token

    # Updates --------------------------------------------------------------------------------------------------

    def clauses(self) -> list[Change]:
        changes: list[Change] = []
        seen: set[str] = set()
        while self._next:
            clause = self._take(*_CLAUSES).upper()
            if clause in seen:
                raise UnusualError(clause)
            seen.add(clause)
            changes.append(self._action(clause))
            while self._takes(","):
                changes.append(self._action(clause))
        return changes

    def _action(self, clause: str) -> Change:
        attribute = self._attribute()
        if clause == "REMOVE":
            return Change(attribute, lambda a, v: None)
        if clause == "SET":
            self._take("=")
            return Change(attribute, self._sum())
        operand = self._operand()
        return Change(attribute, (_add if clause == "ADD" else _delete)(attribute, operand))

    def _sum(self) -> Operand:
        left = self._term()
        if self._next not in ("+", "-"):
            return left
        sign = 1 if self._take() == "+" else -1
        right = self._term()
        return lambda a, v: _number(_decimal(left(a, v)) + sign * _decimal(right(a, v)))

    def _term(self) -> Operand:
        if not self._takes("IF_NOT_EXISTS"):
            return _present(self._operand())
        self._take("(")
        attribute = self._attribute()
        self._take(",")
        otherwise = _present(self._operand())
        self._take(")")
        return lambda a, v: a[attribute] if attribute in a else otherwise(a, v)


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            raise UnusualError(text)
        found.append(token[1])
        at = token.end()
    return found


_RESERVED = frozenset(one.upper() for one in ReservedKeywords.get_reserved_keywords()) | _WORDS


def _value(values: Values, name: str) -> DynamoType:
    if name not in values:
        raise UnusualError(name)
    return values[name]


def _compare(sign: str, left: Operand, right: Operand) -> Test:
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


def _between(*operands: Operand) -> Test:
    def test(attributes: Attributes, values: Values) -> bool:
        found: list[Any] = [read(attributes, values) for read in operands]
        value, first, last = found
        if not (_are_ordered(value, first) and _are_ordered(value, last)):
            return False
        return bool(first.cast_value <= value.cast_value <= last.cast_value)

    return test


def _among(operand: Operand, choices: list[Operand]) -> Test:
    return lambda a, v: any(_equal(operand(a, v), one(a, v)) for one in choices)


def _exists(arguments: list[Operand]) -> Test:
    (one,) = _exactly(arguments, 1)
    return lambda a, v: one(a, v) is not None


def _not_exists(arguments: list[Operand]) -> Test:
    (one,) = _exactly(arguments, 1)
    return lambda a, v: one(a, v) is None


def _begins_with(arguments: list[Operand]) -> Test:
    one, prefix = _exactly(arguments, 2)

    def test(attributes: Attributes, values: Values) -> bool:
        value, start = one(attributes, values), prefix(attributes, values)
        if value is None or start is None or value.type != "S" or start.type != "S":
            return False
        return bool(value.value.startswith(start.value))

    return test


def _contains(arguments: list[Operand]) -> Test:
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


_FUNCTIONS: dict[str, Callable[[list[Operand]], Test]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "begins_with": _begins_with,
    "contains": _contains,
}


def _present(operand: Operand) -> Operand:
    def read(attributes: Attributes, values: Values) -> DynamoType:
        found = operand(attributes, values)
        if found is None:
            raise UnusualError("a missing attribute")
        return found

    return read


def _decimal(value: DynamoType | None) -> Decimal:
    if value is None or value.type != "N":
        raise UnusualError("not a number")
    return Decimal(value.value)


def _number(value: Decimal) -> DynamoType:
    whole = value == value.to_integral_value()
    return DynamoType({"N": str(int(value)) if whole else format(value.normalize(), "f")})


def _add(attribute: str, operand: Operand) -> Operand:
    def add(attributes: Attributes, values: Values) -> DynamoType:
        given, stored = operand(attributes, values), attributes.get(attribute)
        if given is None or given.type not in {"N", *_SETS}:
            raise UnusualError("ADD")
        if stored is None:
            return given
        if stored.type != given.type:
            raise UnusualError("ADD")
        if given.type == "N":
            return _number(_decimal(stored) + _decimal(given))
        have = _members(stored)
        new = [one for key, one in _members(given).items() if key not in have]
        return DynamoType({stored.type: [*stored.value, *new]})

    return add


def _delete(attribute: str, operand: Operand) -> Operand:
    def delete(attributes: Attributes, values: Values) -> DynamoType | None:
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

    return delete


def _members(value: DynamoType) -> dict[Any, Any]:
    """The members of a set, by what makes them equal."""
    return {Decimal(one) if value.type == "NS" else one: one for one in value.value}
