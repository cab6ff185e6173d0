"""The run queue's wake-up: an asynchronous invocation of the ``queue`` function, which Lambda keeps and retries."""

from __future__ import annotations

import json

from tidegate.adapters.aws.clients import answered, client


class LambdaRunQueue:
    def __init__(self, function: str) -> None:
        self._function = function

    def enqueue(self, run_id: str) -> None:
        """
        Raises:
            ThrottledError, UnavailableError: Lambda may not have taken it.
            DeploymentError: there is no such function, or it may not be invoked.
        """
        mend = f"Check that {self._function} exists and that this function's role may invoke it."
        with answered(f"Invoking {self._function}", mend=mend):
            client("lambda").invoke(
                FunctionName=self._function,
                InvocationType="Event",
                Payload=json.dumps({"run_id": run_id}).encode(),
            )
