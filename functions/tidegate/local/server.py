"""The deployment over HTTP, on the loopback interface, for other processes: containers and a second terminal.

A process with ``AWS_ENDPOINT_URL`` set to ``Server.url`` uses plain boto3. What the gateway does not answer goes to moto's own
server, which shares its data with this process. Who calls is told by the access key.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from io import BytesIO
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from tidegate.local.gateway import Gateway, lambda_body
from tidegate.local.role import Role, acting_as
from tidegate.local.service import ServiceError

USER_CODE_KEY = "TIDEGATEUSERCODE"
"""Access key of containers that run user code: they get no further than its role would on AWS."""

_HOST = "127.0.0.1"
_TARGETS = {
    "DynamoDB_20120810": "dynamodb",
    "AWSStepFunctions": "stepfunctions",
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "AWSEvents": "events",
}
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/[^/]+/(?P<service>[^/]+)/")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: a command line shows its own progress."""


class Server:
    """Serves the active gateway from a thread of its own."""

    def __init__(self, port: int = 0) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer = make_server(
            _HOST, port, self._application, threaded=True, request_handler=_QuietHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="tidegate-server", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _application(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        role = Role.USER if found and found["key"] == USER_CODE_KEY else Role.OUTSIDE
        service, operation = _call_of(environ, found["service"] if found else "s3")
        active = Gateway.active
        with acting_as(role):
            try:
                if active is None:
                    raise ServiceError("ServiceUnavailable", "No deployment is up.", status=503)
                body = _body(environ, service) if active.answers(service) else {}
                answer = active.call(service, operation, body)
            except ServiceError as error:
                return _refuse(error, start_response)
            if answer is None:
                rest: Iterable[bytes] = self._moto(environ, start_response)
                return rest
        return _answer(service, answer, start_response)


def _call_of(environ: Environ, signed_for: str) -> tuple[str, str]:
    """(service, operation) of a request; for REST services other than Lambda the method stands for the operation."""
    prefix, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    if prefix in _TARGETS:
        return _TARGETS[prefix], operation
    path = environ.get("PATH_INFO", "")
    if signed_for == "lambda" and path.endswith("/invocations"):
        return "lambda", "Invoke"
    return signed_for, operation or environ["REQUEST_METHOD"]


def _body(environ: Environ, service: str) -> dict[str, Any]:
    raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(raw)
    if service == "lambda":
        headers = {"x-amz-invocation-type": environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "")}
        kind = {name: value for name, value in headers.items() if value}
        return lambda_body(environ.get("PATH_INFO", ""), kind, raw)
    document: dict[str, Any] = json.loads(raw or b"{}")
    return document


def _answer(
    service: str, answer: Mapping[str, Any], start_response: StartResponse
) -> Iterable[bytes]:
    if service == "lambda":
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", "$LATEST")]
        if "FunctionError" in answer:
            headers.append(("X-Amz-Function-Error", answer["FunctionError"]))
        return _send(answer["StatusCode"], headers, answer["Payload"].encode(), start_response)
    payload = json.dumps(answer, default=_plain).encode()
    return _send(200, [("Content-Type", "application/x-amz-json-1.0")], payload, start_response)


def _refuse(error: ServiceError, start_response: StartResponse) -> Iterable[bytes]:
    document = {"__type": error.code, "message": error.message, **error.extra}
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amzn-ErrorType", error.code)]
    return _send(
        error.status, headers, json.dumps(document, default=_plain).encode(), start_response
    )


def _send(
    status: int, headers: list[tuple[str, str]], payload: bytes, start_response: StartResponse
) -> Iterable[bytes]:
    start_response(f"{status} Answered", [*headers, ("Content-Length", str(len(payload)))])
    return [payload]


def _plain(value: Any) -> Any:
    """Times as seconds, binary values in base 64: the JSON protocols of AWS."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} in an answer")
