"""How a state fails, and what a definition may not say."""

from __future__ import annotations

from typing import Any

from tidegate.errors import TidegateError

ALL = "States.ALL"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"
RUNTIME = "States.Runtime"
DATA_LIMIT = "States.DataLimitExceeded"
NO_CHOICE = "States.NoChoiceMatched"
PARAMETER_PATH = "States.ParameterPathFailure"
RESULT_PATH = "States.ResultPathMatchFailure"
INTRINSIC = "States.IntrinsicFailure"

_TERMINAL = frozenset({RUNTIME, DATA_LIMIT})
"""``States.ALL`` does not match these."""


class StateError(Exception):
    """A state failed, with an error name and a cause as ``Retry`` and ``Catch`` see them."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause

    def to_output(self) -> dict[str, Any]:
        """What ``Catch`` hands on."""
        return {"Error": self.error, "Cause": self.cause}


class InvalidDefinition(TidegateError):
    """A definition is malformed, or uses what the local interpreter does not execute."""

    code = "invalid-definition"


def matches(names: list[str], error: str) -> bool:
    """Whether ``ErrorEquals`` names the error."""
    if error in names:
        return True
    if error in _TERMINAL:
        return False
    return ALL in names or (TASK_FAILED in names and error != TIMEOUT)
