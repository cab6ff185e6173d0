"""Asynchronous invocations of functions of the control plane, which Lambda keeps and retries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.adapters.aws.clients import answered, client

AT_ONCE = 25
"""Runs that one invocation admits, which takes some 100 ms for each: far less than the function has."""


class LambdaRunQueue:
    """``tidegate.ports.RunQueue``: invokes the ``queue`` function."""

    def __init__(self, function: str) -> None:
        self._function = function

    def enqueue(self, run_id: str) -> None:
        """
        Raises:
            ThrottledError, UnavailableError: Lambda may not have taken it.
            DeploymentError: there is no such function, or it may not be invoked.
        """
        _invoke(self._function, {"run_id": run_id})

    def enqueue_all(self, run_ids: Sequence[str]) -> None:
        """One invocation for each 25 of them. Raises as ``enqueue``."""
        for start in range(0, len(run_ids), AT_ONCE):
            _invoke(self._function, {"run_ids": list(run_ids[start : start + AT_ONCE])})


class LambdaBackfillQueue:
    """``tidegate.ports.automation.BackfillQueue``: invokes the ``backfill`` function."""

    def __init__(self, function: str) -> None:
        self._function = function

    def wake(self, event: Mapping[str, Any]) -> None:
        """Raises as ``LambdaRunQueue.enqueue``."""
        _invoke(self._function, event)


def _invoke(function: str, event: Mapping[str, Any]) -> None:
    mend = f"Check that {function} exists and that this function's role may invoke it."
    with answered(f"Invoking {function}", mend=mend):
        client("lambda").invoke(
            FunctionName=function,
            InvocationType="Event",
            Payload=json.dumps(dict(event)).encode(),
        )
