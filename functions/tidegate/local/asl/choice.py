"""Choice rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tidegate.local.asl import paths
from tidegate.local.asl.errors import NO_CHOICE, RUNTIME, InvalidDefinition, StateError

Compare = Callable[[Any, Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value)


def _is_moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and _moment(value).tzinfo is not None
    except ValueError:
        return False


def _like(value: str, pattern: str) -> bool:
    r"""``*`` is any text, ``\*`` a star."""
    pieces = re.split(r"(\\\*|\*)", pattern)
    expression = "".join(
        ".*" if one == "*" else re.escape(one.replace("\\*", "*")) for one in pieces
    )
    return re.fullmatch(expression, value, re.DOTALL) is not None


_ORDERS: dict[str, Compare] = {
    "Equals": lambda a, b: bool(a == b),
    "LessThan": lambda a, b: bool(a < b),
    "GreaterThan": lambda a, b: bool(a > b),
    "LessThanEquals": lambda a, b: bool(a <= b),
    "GreaterThanEquals": lambda a, b: bool(a >= b),
}


def _typed(fits: Callable[[Any], bool], compare: Compare, read: Callable[[Any], Any]) -> Compare:
    return lambda a, b: fits(a) and fits(b) and compare(read(a), read(b))


def _comparisons() -> dict[str, Compare]:
    made: dict[str, Compare] = {}
    for order, compare in _ORDERS.items():
        made[f"String{order}"] = _typed(_text, compare, str)
        made[f"Numeric{order}"] = _typed(_number, compare, float)
        made[f"Timestamp{order}"] = _typed(_is_moment, compare, _moment)
    made["BooleanEquals"] = _typed(lambda one: isinstance(one, bool), _ORDERS["Equals"], bool)
    made["StringMatches"] = _typed(_text, _like, str)
    return made


_COMPARISONS = _comparisons()
_TYPES: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda one: one is None,
    "IsString": _text,
    "IsNumeric": _number,
    "IsBoolean": lambda one: isinstance(one, bool),
    "IsTimestamp": _is_moment,
}
_OPERATORS = (*_COMPARISONS, *(f"{one}Path" for one in _COMPARISONS), *_TYPES, "IsPresent")


def check(rule: Mapping[str, Any]) -> None:
    """Refuse a rule that is malformed.

    Raises:
        InvalidDefinition: it has no operator that is known, or not exactly one.
    """
    for nested in (
        *rule.get("And", ()),
        *rule.get("Or", ()),
        *([rule["Not"]] if "Not" in rule else ()),
    ):
        check(nested)
    if rule.keys() & {"And", "Or", "Not"}:
        return
    operators = rule.keys() - {"Variable", "Next", "Comment"}
    if "Variable" not in rule or len(operators) != 1 or not operators <= set(_OPERATORS):
        raise InvalidDefinition(
            f"The choice rule {dict(rule)!r} is not one the local interpreter reads.",
            mend="It needs a Variable and one comparison.",
        )
    paths.parse(rule["Variable"])


def choose(state: Mapping[str, Any], document: Any, context: Mapping[str, Any]) -> str:
    """The next state.

    Raises:
        StateError: no rule holds and there is no default, or a rule reads what is not there.
    """
    for rule in state["Choices"]:
        if _holds(rule, document, context):
            return str(rule["Next"])
    if "Default" not in state:
        raise StateError(NO_CHOICE, "No choice rule matches and the state has no Default.")
    return str(state["Default"])


def _holds(rule: Mapping[str, Any], document: Any, context: Mapping[str, Any]) -> bool:
    if "And" in rule:
        return all(_holds(one, document, context) for one in rule["And"])
    if "Or" in rule:
        return any(_holds(one, document, context) for one in rule["Or"])
    if "Not" in rule:
        return not _holds(rule["Not"], document, context)
    operator = next(one for one in rule if one not in ("Variable", "Next", "Comment"))
    expected = rule[operator]
    if operator == "IsPresent":
        return _is_present(rule["Variable"], document, context) is expected
    value = _read(rule["Variable"], document, context)
    if operator in _TYPES:
        return bool(_TYPES[operator](value) == expected)
    if operator.endswith("Path"):
        return _COMPARISONS[operator[:-4]](value, _read(expected, document, context))
    return _COMPARISONS[operator](value, expected)


def _is_present(path: str, document: Any, context: Mapping[str, Any]) -> bool:
    try:
        paths.read(path, context if path.startswith("$$") else document)
    except paths.MissingPathError:
        return False
    return True


def _read(path: str, document: Any, context: Mapping[str, Any]) -> Any:
    try:
        return paths.read(path, context if path.startswith("$$") else document)
    except paths.MissingPathError as error:
        raise StateError(
            RUNTIME,
            f"Invalid path '{path}': The choice state's condition path references an invalid value.",
        ) from error
