"""Waking the queue: one asynchronous invocation, and what its failure is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tidegate.adapters.aws import queue
from tidegate.errors import DeploymentError, ThrottledError, UnavailableError


class Lambda:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[dict[str, Any]] = []

    def invoke(self, **arguments: Any) -> None:
        self.calls.append(arguments)
        if self.error is not None:
            raise self.error


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Invoke")


def test_the_run_is_handed_to_the_queue_function(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Lambda()
    monkeypatch.setattr(queue, "client", lambda name: service)

    queue.LambdaRunQueue("tidegate-queue").enqueue("run-1")

    (call,) = service.calls
    assert call == {
        "FunctionName": "tidegate-queue",
        "InvocationType": "Event",
        "Payload": b'{"run_id": "run-1"}',
    }


def test_many_runs_are_handed_on_25_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Lambda()
    monkeypatch.setattr(queue, "client", lambda name: service)
    run_ids = [f"run-{n}" for n in range(60)]

    queue.LambdaRunQueue("tidegate-queue").enqueue_all(run_ids)

    told = [json.loads(call["Payload"])["run_ids"] for call in service.calls]
    assert [len(one) for one in told] == [25, 25, 10]
    assert [one for some in told for one in some] == run_ids


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("TooManyRequestsException", 429), ThrottledError),
        (refusal("ServiceException", 500), UnavailableError),
        (ConnectionClosedError(endpoint_url="https://lambda"), UnavailableError),
        (refusal("ResourceNotFoundException", 404), DeploymentError),
        (refusal("AccessDeniedException", 403), DeploymentError),
    ],
)
def test_a_failure_is_one_of_ours(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    monkeypatch.setattr(queue, "client", lambda name: Lambda(error))

    with pytest.raises(kind):
        queue.LambdaRunQueue("tidegate-queue").enqueue("run-1")
