"""Expressions of DynamoDB, compiled once: those on whole attributes, which is nearly all of them.

Whatever is out of the ordinary (paths into attributes, ``size``, operands of the wrong type, anything that is to be refused)
raises ``UnusualError``, and moto does it in its own way and with its own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

from tidegate.local.repairs import operators
from tidegate.local.repairs.operators import Operand, Test, UnusualError, Values

Names = tuple[tuple[str, str], ...]
"""ExpressionAttributeNames, sorted."""

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),+\-]|[#:]?[A-Za-z0-9_]+)")
_WORDS = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN", "SET", "REMOVE", "ADD", "DELETE"})
_CLAUSES = frozenset({"SET", "REMOVE", "ADD", "DELETE"})


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
        function = operators.FUNCTIONS.get(self._next)
        if function is not None:
            self._take()
            return function(self._arguments())
        left = self._operand()
        if self._takes("BETWEEN"):
            low = self._operand()
            self._take("AND")
            return operators.between(left, low, self._operand())
        if self._takes("IN"):
            return operators.among(left, self._arguments())
        sign = self._take("=", "<>", "<", "<=", ">", ">=")
        return operators.compare(sign, left, self._operand())

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
        return Change(
            attribute, (operators.add if clause == "ADD" else operators.delete)(attribute, operand)
        )

    def _sum(self) -> Operand:
        left = self._term()
        if self._next not in ("+", "-"):
            return left
        sign = 1 if self._take() == "+" else -1
        right = self._term()
        return lambda a, v: operators.number(
            operators.decimal(left(a, v)) + sign * operators.decimal(right(a, v))
        )

    def _term(self) -> Operand:
        if not self._takes("IF_NOT_EXISTS"):
            return operators.present(self._operand())
        self._take("(")
        attribute = self._attribute()
        self._take(",")
        otherwise = operators.present(self._operand())
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
