"""Intrinsic functions: those that build strings, arrays and objects. The others are refused when the machine is made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tidegate.local.asl.errors import INTRINSIC, InvalidDefinition, StateError

_TOKEN = re.compile(
    r"""\s*(?:(?P<call>States\.\w+)\(|(?P<path>\$\$?[^,()\s]*)|'(?P<text>(?:\\.|[^'\\])*)'"""
    r"""|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>true|false|null)|(?P<mark>[,)]))"""
)
_WORDS = {"true": True, "false": False, "null": None}

Tree = tuple[str, Any]
"""("call", (name, [Tree])), ("path", text) or ("value", value)."""


@lru_cache(maxsize=256)
def parse(expression: str) -> Tree:
    """The tree of an intrinsic call.

    Raises:
        InvalidDefinition: it is malformed, or calls a function that is not executed here.
    """
    tree, end = _parse(expression, 0)
    if expression[end:].strip():
        raise _malformed(expression)
    return tree


def _parse(text: str, at: int) -> tuple[Tree, int]:
    found = _TOKEN.match(text, at)
    if found is None or found["mark"]:
        raise _malformed(text)
    if found["path"]:
        return ("path", found["path"]), found.end()
    if found["call"]:
        return _parse_call(text, found["call"], found.end())
    if found["number"]:
        return ("value", json.loads(found["number"])), found.end()
    if found["word"]:
        return ("value", _WORDS[found["word"]]), found.end()
    return ("value", found["text"]), found.end()


def _parse_call(text: str, name: str, at: int) -> tuple[Tree, int]:
    if name not in _FUNCTIONS:
        known = ", ".join(sorted(_FUNCTIONS))
        raise InvalidDefinition(
            f"The local interpreter does not execute {name}.", mend=f"It knows {known}."
        )
    arguments: list[Tree] = []
    closing = _TOKEN.match(text, at)
    if closing is not None and closing["mark"] == ")":
        return ("call", (name, arguments)), closing.end()
    while True:
        argument, at = _parse(text, at)
        arguments.append(argument)
        mark = _TOKEN.match(text, at)
        if mark is None or not mark["mark"]:
            raise _malformed(text)
        at = mark.end()
        if mark["mark"] == ")":
            return ("call", (name, arguments)), at


def _malformed(expression: str) -> InvalidDefinition:
    return InvalidDefinition(
        f"{expression!r} is not an intrinsic call.", mend="For example States.Format('{}', $.a)."
    )


def evaluate(expression: str, look_up: Callable[[str], Any]) -> Any:
    """The value of an intrinsic call; ``look_up`` reads its paths.

    Raises:
        StateError: ``States.IntrinsicFailure``, an argument does not fit.
    """
    return _evaluate(parse(expression), look_up, expression)


def _evaluate(tree: Tree, look_up: Callable[[str], Any], expression: str) -> Any:
    kind, value = tree
    if kind == "path":
        return look_up(value)
    if kind == "value":
        return value
    name, arguments = value
    given = [
        _escaped(one[1]) if one[0] == "value" else _evaluate(one, look_up, expression)
        for one in arguments
    ]
    try:
        return _FUNCTIONS[name](*given)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise StateError(INTRINSIC, f"{expression}: {error}") from error


def _escaped(value: Any) -> Any:
    return re.sub(r"\\(['\\])", r"\1", value) if isinstance(value, str) else value


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _format(template: str, *values: Any) -> str:
    pieces = re.split(r"(?<!\\)\{\}", template)
    if len(pieces) != len(values) + 1:
        raise ValueError(f"{len(values)} values for {len(pieces) - 1} places")
    text = pieces[0] + "".join(
        _shown(value) + piece for value, piece in zip(values, pieces[1:], strict=True)
    )
    return text.replace("\\{", "{").replace("\\}", "}")


def _merge(left: dict[str, Any], right: dict[str, Any], deep: bool = False) -> dict[str, Any]:
    if deep or not isinstance(left, dict) or not isinstance(right, dict):
        raise ValueError("takes two objects and false")
    return {**left, **right}


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "States.Format": _format,
    "States.Array": lambda *values: list(values),
    "States.ArrayGetItem": lambda values, index: values[index],
    "States.ArrayLength": len,
    "States.ArrayContains": lambda values, value: value in values,
    "States.JsonMerge": _merge,
    "States.JsonToString": lambda value: json.dumps(value, separators=(",", ":")),
    "States.MathAdd": lambda left, right: int(left) + int(right),
    "States.StringToJson": json.loads,
}
