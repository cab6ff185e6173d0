"""A state machine, read and checked once."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tidegate.local.asl import choice, paths, template
from tidegate.local.asl.errors import InvalidDefinition

_DATA = frozenset({"Type", "Comment", "InputPath", "OutputPath"})
_FLOW = frozenset({"Next", "End"})
_FIELDS: dict[str, frozenset[str]] = {
    "Task": _DATA
    | _FLOW
    | {
        "Resource",
        "Parameters",
        "ResultSelector",
        "ResultPath",
        "Retry",
        "Catch",
        "TimeoutSeconds",
        "TimeoutSecondsPath",
    },
    "Choice": _DATA | {"Choices", "Default"},
    "Wait": _DATA | _FLOW | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Pass": _DATA | _FLOW | {"Result", "Parameters", "ResultPath"},
    "Succeed": _DATA,
    "Fail": frozenset({"Type", "Comment", "Error", "ErrorPath", "Cause", "CausePath"}),
}
_PLACEHOLDER = re.compile(r"\$\{\w+\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A definition that the local interpreter can execute."""

    start_at: str
    states: dict[str, dict[str, Any]]
    timeout_seconds: int | None = None


def parse(definition: str) -> Machine:
    """Read a definition.

    Raises:
        InvalidDefinition: it is malformed, or uses what the local interpreter does not execute.
    """
    try:
        document = json.loads(definition)
    except ValueError as error:
        raise InvalidDefinition("The definition is not JSON.", mend=str(error)) from error
    left = _PLACEHOLDER.search(definition)
    if left is not None:
        raise InvalidDefinition(
            f"The definition still has the placeholder {left[0]}.", mend="Substitute it first."
        )
    states = document.get("States") or {}
    if document.get("StartAt") not in states:
        raise InvalidDefinition("StartAt names no state.", mend="Name one of States.")
    for name, state in states.items():
        _check_state(name, state, states)
    return Machine(
        start_at=document["StartAt"], states=states, timeout_seconds=document.get("TimeoutSeconds")
    )


def _check_state(name: str, state: dict[str, Any], states: dict[str, Any]) -> None:
    known = _FIELDS.get(state.get("Type", ""))
    if known is None:
        raise InvalidDefinition(
            f"State {name!r} is of type {state.get('Type')!r}.",
            mend=f"The local interpreter executes {', '.join(_FIELDS)}.",
        )
    unknown = sorted(state.keys() - known)
    if unknown:
        raise InvalidDefinition(
            f"State {name!r} has the field {unknown[0]!r}.",
            mend=f"A {state['Type']} state takes {', '.join(sorted(known))}.",
        )
    for follower in _followers(state):
        if follower not in states:
            raise InvalidDefinition(
                f"State {name!r} leads to {follower!r}, which is not there.", mend="Add it."
            )
    if "Next" in known and ("Next" in state) == (state.get("End") is True):
        raise InvalidDefinition(f"State {name!r} needs either Next or End.", mend="Give one.")
    for field in ("Parameters", "ResultSelector"):
        template.check(state.get(field))
    for field, value in state.items():
        if field.endswith("Path") and value is not None:
            paths.parse(value)
    for rule in state.get("Choices", ()):
        choice.check(rule)


def _followers(state: dict[str, Any]) -> list[str]:
    rules = (*state.get("Choices", ()), *state.get("Catch", ()))
    found = [rule.get("Next") for rule in rules]
    return [*found, *(state[one] for one in ("Next", "Default") if one in state)]
