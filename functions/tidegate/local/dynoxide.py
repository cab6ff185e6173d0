"""dynoxide: a second, real engine for DynamoDB (Rust on SQLite), as a process of its own.

It backs ``tidegate dev --persist`` and the tests that want more than one opinion. ``npm install --prefix .venv/dynoxide
@dynoxide/linux-x64`` fetches the one binary it is.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tidegate.errors import DeploymentError
from tidegate.local.calls import Calls
from tidegate.local.role import current_role
from tidegate.local.service import ServiceError, with_binary

_HOST = "127.0.0.1"
_PACKAGE = Path("node_modules/@dynoxide/linux-x64/dynoxide")
_READY_SECONDS = 10.0
_UNTIL_STDIN_CLOSES = '"$@" & child=$!; cat; kill "$child"; wait "$child"'
"""Runs a command that ends with this process, even when this process is killed: its end closes the pipe."""
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
_READS = frozenset({"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"})
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request,"
    " SignedHeaders=host, Signature=0"
)


def find_binary() -> Path:
    """Where dynoxide is: ``TIDEGATE_DYNOXIDE``, this environment's ``dynoxide`` folder, or the PATH.

    Raises:
        DeploymentError: nowhere.
    """
    named = os.environ.get("TIDEGATE_DYNOXIDE")
    on_path = shutil.which("dynoxide")
    places: list[Path] = [
        *([Path(named)] if named else ()),
        Path(sys.prefix) / "dynoxide" / _PACKAGE,
        *([Path(on_path)] if on_path else ()),
    ]
    for place in places:
        if place.is_file():
            return place
    raise DeploymentError(
        "dynoxide is not installed.",
        mend="Run `npm install --prefix .venv/dynoxide @dynoxide/linux-x64`, or set TIDEGATE_DYNOXIDE.",
    )


class Dynoxide:
    """One running dynoxide; in memory unless it is given a file."""

    def __init__(self, *, db_path: Path | None = None) -> None:
        command = [str(find_binary()), "--host", _HOST, "--port", str(_free_port())]
        if db_path is not None:
            db_path.parent.mkdir(parents=True, exist_ok=True)
            command += ["--db-path", str(db_path)]
        self.port = int(command[4])
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _UNTIL_STDIN_CLOSES, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._idle: list[http.client.HTTPConnection] = []
        self._wait_until_ready()

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A connection for one request: an idle one if there is any. One that failed is not used again."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = http.client.HTTPConnection(_HOST, self.port)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    def stop(self) -> None:
        while self._idle:
            self._idle.pop().close()
        self._end()

    def _end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((_HOST, self.port)) == 0:
                    return
            time.sleep(0.01)
        self._end()
        raise DeploymentError(
            "dynoxide did not start.", mend=f"Try {find_binary()} by hand, it says why."
        )


class DynoxideTables:
    """DynamoDB as dynoxide does it: a service of the gateway."""

    def __init__(self, engine: Dynoxide, *, calls: Calls) -> None:
        self._engine = engine
        self._calls = calls

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        metered = operation in _WRITES or operation in _READS
        asked = {**body, "ReturnConsumedCapacity": "INDEXES"} if metered else body
        status, answer = self._post(operation, json.dumps(asked).encode())
        if status != 200:
            raise _refusal(status, answer)
        if metered:
            self._meter(operation, answer)
            _trim(answer, body.get("ReturnConsumedCapacity", "NONE"))
        return answer

    def _meter(self, operation: str, answer: Mapping[str, Any]) -> None:
        shown = answer.get("ConsumedCapacity") or []
        units = sum(one["CapacityUnits"] for one in (shown if isinstance(shown, list) else [shown]))
        if operation in _WRITES:
            self._calls.consumed(current_role(), write_units=units)
        else:
            self._calls.consumed(current_role(), read_units=units)

    def _post(self, operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
        headers = {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": _AUTHORIZATION,
            "X-Amz-Date": "20260101T000000Z",
        }
        with self._engine.connection() as connection:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            text = response.read()
        return response.status, json.loads(text or b"{}", object_hook=with_binary)

    @property
    def port(self) -> int:
        return self._engine.port


def _trim(answer: dict[str, Any], detail: str) -> None:
    """Leave of the capacity units what the caller asked for."""
    if detail == "NONE":
        answer.pop("ConsumedCapacity", None)
    elif detail == "TOTAL" and "ConsumedCapacity" in answer:
        shown = answer["ConsumedCapacity"]
        for one in shown if isinstance(shown, list) else [shown]:
            for name in one.keys() - {"TableName", "CapacityUnits"}:
                del one[name]


def _refusal(status: int, answer: dict[str, Any]) -> ServiceError:
    code = str(answer.pop("__type", "InternalServerError")).rsplit("#", maxsplit=1)[-1]
    message = str(answer.pop("message", answer.pop("Message", "")))
    return ServiceError(code, message, status=status, **answer)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
