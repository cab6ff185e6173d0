"""The run queue's wake-up: an asynchronous invocation of the ``queue`` function, which Lambda keeps and retries."""

from __future__ import annotations

import json

from tidegate.adapters.aws.clients import client


class LambdaRunQueue:
    def __init__(self, function: str) -> None:
        self._function = function

    def enqueue(self, run_id: str) -> None:
        client("lambda").invoke(
            FunctionName=self._function,
            InvocationType="Event",
            Payload=json.dumps({"run_id": run_id}).encode(),
        )
