"""Finding a deployment, and what is said when none answers."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    ReadTimeoutError,
)

from tidegate.cli.connect import Deployment, LambdaClient, caller, locate
from tidegate.errors import DeploymentError, ThrottledError, UnknownRunError


def write_dev_file(folder: Path, **changes: Any) -> None:
    document = {
        "endpoint": "http://127.0.0.1:4100",
        "region": "us-east-1",
        "function": "tidegate-api",
        "pid": os.getpid(),
    } | changes
    (folder / ".tidegate").mkdir(parents=True, exist_ok=True)
    (folder / ".tidegate" / "dev.json").write_text(json.dumps(document))


class FakeLambda:
    """Answers ``invoke`` with payloads, one after the other; an exception is raised."""

    def __init__(self, *payloads: Any, function_error: str | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self._payloads = list(payloads)
        self._function_error = function_error

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        self.requests.append(json.loads(Payload) | {"function": FunctionName})
        payload = self._payloads.pop(0)
        if isinstance(payload, Exception):
            raise payload
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        answer = {"StatusCode": 200, "Payload": io.BytesIO(body)}
        return answer | ({"FunctionError": self._function_error} if self._function_error else {})


def client_of(lambda_: FakeLambda, *, pauses: list[float] | None = None) -> LambdaClient:
    return LambdaClient(
        Deployment(), client=lambda_, sleep=(pauses if pauses is not None else []).append
    )


def error_of(lambda_: FakeLambda) -> DeploymentError:
    with pytest.raises(DeploymentError) as raised:
        client_of(lambda_).call("runs.list")
    return raised.value


def test_a_running_dev_is_found_from_a_directory_below(tmp_path: Path) -> None:
    below = tmp_path / "definitions" / "deep"
    below.mkdir(parents=True)
    write_dev_file(tmp_path)

    found = locate(None, environ={}, start=below)

    assert found.endpoint == "http://127.0.0.1:4100"
    assert str(found) == "tidegate dev at http://127.0.0.1:4100"


def test_without_a_dev_the_function_on_aws_is_meant(tmp_path: Path) -> None:
    assert locate(None, environ={}, start=tmp_path) == Deployment(function="tidegate-api")


def test_the_name_of_the_function_can_be_set(tmp_path: Path) -> None:
    found = locate(None, environ={"TIDEGATE_API_FUNCTION": "staging-api"}, start=tmp_path)

    assert found.function == "staging-api"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("aws", Deployment()),
        ("other-api", Deployment(function="other-api")),
        ("http://127.0.0.1:9", Deployment(endpoint="http://127.0.0.1:9", region="us-east-1")),
    ],
)
def test_a_target_comes_before_a_running_dev(
    tmp_path: Path, target: str, expected: Deployment
) -> None:
    write_dev_file(tmp_path)

    assert locate(target, environ={}, start=tmp_path) == expected


def test_the_target_dev_needs_one_to_run(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="Start it with `tidegate dev`"):
        locate("dev", environ={}, start=tmp_path)


def test_a_dev_that_ended_is_told_and_aws_is_not_taken_instead(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write_dev_file(tmp_path, pid=ended.pid)

    with pytest.raises(DeploymentError, match="has ended. Start it with `tidegate dev`"):
        locate(None, environ={}, start=tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"endpoint": 1}', "\x00"])
def test_a_damaged_dev_file_is_told(tmp_path: Path, text: str) -> None:
    write_dev_file(tmp_path)
    (tmp_path / ".tidegate" / "dev.json").write_text(text)

    with pytest.raises(DeploymentError, match="cannot be read. Delete it"):
        locate(None, environ={}, start=tmp_path)


class FakeTagging:
    """Knows functions by name, each with the prefix of its deployment; None: it may not be asked."""

    def __init__(self, functions: dict[str, str] | None) -> None:
        self._functions = functions

    def get_paginator(self, _: str) -> FakeTagging:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        if self._functions is None:
            raise REFUSED
        listed = [
            {
                "ResourceARN": f"arn:aws:lambda:eu-west-1:1:function:{name}",
                "Tags": [{"Key": "tidegate", "Value": prefix}],
            }
            for name, prefix in self._functions.items()
        ]
        return [{"ResourceTagMappingList": [one]} for one in listed]


REFUSED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetResources")
NOT_THERE = ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "Invoke")


def guessing(lambda_: FakeLambda, functions: dict[str, str] | None) -> LambdaClient:
    found = locate(None, environ={}, start=Path("/"))
    return LambdaClient(found, client=lambda_, tagging=FakeTagging(functions))


def test_a_deployment_of_another_prefix_is_found_by_its_tag() -> None:
    lambda_ = FakeLambda(NOT_THERE, {"ok": True, "result": {}}, {"ok": True, "result": {}})
    client = guessing(lambda_, {"sea-api": "sea", "sea-queue": "sea"})

    client.call("runs.list")
    client.call("queue")

    asked = [one["function"] for one in lambda_.requests]
    assert asked == ["tidegate-api", "sea-api", "sea-api"]


def test_of_several_deployments_one_must_be_named() -> None:
    client = guessing(FakeLambda(NOT_THERE), {"sea-api": "sea", "air-api": "air"})

    with pytest.raises(DeploymentError, match="air-api, sea-api. Name one, as in --target air-api"):
        client.call("runs.list")


@pytest.mark.parametrize("functions", [{}, None])
def test_without_another_deployment_the_usual_one_is_missed(
    functions: dict[str, str] | None,
) -> None:
    client = guessing(FakeLambda(NOT_THERE), functions)

    with pytest.raises(DeploymentError, match="no function tidegate-api on AWS"):
        client.call("runs.list")


def test_a_deployment_that_was_named_is_the_only_one_asked() -> None:
    named = locate(None, environ={"TIDEGATE_API_FUNCTION": "tidegate-api"}, start=Path("/"))
    client = LambdaClient(
        named, client=FakeLambda(NOT_THERE), tagging=FakeTagging({"sea-api": "sea"})
    )

    with pytest.raises(DeploymentError, match="no function tidegate-api on AWS"):
        client.call("runs.list")


def test_a_request_leaves_out_what_is_not_given() -> None:
    lambda_ = FakeLambda({"ok": True, "result": {"runs": []}})

    result = client_of(lambda_).call("runs.list", job=None, limit=5)

    assert result == {"runs": []}
    assert lambda_.requests == [{"action": "runs.list", "limit": 5, "function": "tidegate-api"}]


def test_a_refusal_is_raised_as_the_error_it_is() -> None:
    refusal = {"code": "unknown-run", "message": "There is no run 'x'.", "mend": "Look."}
    lambda_ = FakeLambda({"ok": False, "error": refusal})

    with pytest.raises(UnknownRunError) as raised:
        client_of(lambda_).call("runs.show", run_id="x")

    assert str(raised.value) == "There is no run 'x'. Look."


def test_what_the_tables_refused_for_now_is_asked_again() -> None:
    throttled = {"ok": False, "error": {"code": "throttled", "message": "Slow down.", "mend": ""}}
    lambda_ = FakeLambda(throttled, throttled, {"ok": True, "result": {"a": 1}})
    pauses: list[float] = []

    assert client_of(lambda_, pauses=pauses).call("runs.list") == {"a": 1}
    assert pauses == [0.2, 0.5]


def test_asking_again_ends() -> None:
    throttled = {"ok": False, "error": {"code": "throttled", "message": "Slow down.", "mend": ""}}
    lambda_ = FakeLambda(*[throttled] * 4)

    with pytest.raises(ThrottledError):
        client_of(lambda_).call("runs.list")

    assert len(lambda_.requests) == 4


def test_a_dev_that_refuses_the_connection_is_told_in_one_sentence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(DeploymentError) as raised:
        LambdaClient(Deployment(endpoint=endpoint, region="us-east-1")).call("runs.list")

    error = raised.value
    assert error.message == f"No answer from tidegate dev at {endpoint}."
    assert error.mend.startswith("Start it with `tidegate dev`")


@pytest.fixture
def served() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server on the loopback interface: its address, and what it answers and is asked."""
    state: dict[str, Any] = {"status": 200, "headers": {}, "body": b"{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state["path"] = self.path
            state["authorization"] = self.headers["Authorization"]
            state["request"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(state["status"])
            for name, value in state["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state["body"])

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", state
        server.shutdown()
        thread.join()


def test_a_dev_is_asked_as_lambda_is(served: tuple[str, dict[str, Any]]) -> None:
    endpoint, state = served
    state["body"] = json.dumps({"ok": True, "result": {"limits": []}}).encode()

    answer = LambdaClient(Deployment(endpoint=endpoint, region="eu-west-1")).call("limits.list")

    assert answer == {"limits": []}
    assert state["path"] == "/2015-03-31/functions/tidegate-api/invocations"
    assert "/eu-west-1/lambda/aws4_request" in state["authorization"]
    assert state["request"] == {"action": "limits.list"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": 503, "body": b"No deployment"}, "cannot be called: 503: No deployment."),
        (
            {
                "headers": {"X-Amz-Function-Error": "Unhandled"},
                "body": b'{"errorType": "E", "errorMessage": "boom"}',
            },
            "The API failed: E: boom.",
        ),
        ({"body": b"<html>"}, "is not the API of Tidegate."),
    ],
)
def test_a_dev_that_answers_something_else_is_told(
    served: tuple[str, dict[str, Any]], changes: dict[str, Any], expected: str
) -> None:
    endpoint, state = served
    state |= changes

    with pytest.raises(DeploymentError) as raised:
        LambdaClient(Deployment(endpoint=endpoint)).call("limits.list")

    assert expected in raised.value.message


def test_missing_credentials_are_told_with_both_ways_on() -> None:
    error = error_of(FakeLambda(NoCredentialsError()))

    assert "no AWS credentials" in error.message
    assert error.mend == "Start `tidegate dev`, or set AWS_PROFILE and AWS_REGION."


def test_a_function_that_is_not_deployed_is_named() -> None:
    missing = ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "Invoke")

    assert error_of(FakeLambda(missing)).message == "There is no function tidegate-api on AWS."


@pytest.mark.parametrize(
    "cause",
    [
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "No."}}, "Invoke"),
        ReadTimeoutError(endpoint_url="https://lambda"),
    ],
)
def test_another_failure_on_aws_is_told_with_its_cause(cause: Exception) -> None:
    error = error_of(FakeLambda(cause))

    assert error.message.startswith("The function tidegate-api on AWS cannot be called: ")
    assert error.mend == "Check AWS_PROFILE, AWS_REGION and what your role may invoke."


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"errorType": "KeyError", "errorMessage": "'x'"}, "The API failed: KeyError: 'x'."),
        (b"Task timed out", "The API failed: Task timed out."),
    ],
)
def test_an_api_that_crashed_is_told(body: Any, expected: str) -> None:
    assert error_of(FakeLambda(body, function_error="Unhandled")).message == expected


@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b'{"status": 200}'])
def test_what_is_not_the_api_is_told(body: bytes) -> None:
    message = error_of(FakeLambda(body)).message

    assert message == "What answers as function tidegate-api on AWS is not the API of Tidegate."


def test_the_audit_knows_who_the_credentials_say_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sts:
        def get_caller_identity(self) -> dict[str, str]:
            return {"Arn": "arn:aws:sts::1:assumed-role/operator/ada"}

    monkeypatch.setattr("boto3.client", lambda service: Sts())

    assert caller("aws") == "arn:aws:sts::1:assumed-role/operator/ada"


def test_the_audit_knows_the_user_here_when_credentials_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(service: str) -> None:
        raise RuntimeError("no credentials")

    monkeypatch.setattr("boto3.client", refuse)
    monkeypatch.setenv("LOGNAME", "ada")

    assert caller("aws") == "ada"
    assert caller("http://127.0.0.1:1") == "ada"
