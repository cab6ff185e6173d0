"""Lambda: functions are callables of this process, registered by name.

Events and results pass through JSON, as they do on AWS. Control-plane functions run on the event loop; user code runs there
too (tests), or in worker threads (``tidegate dev``).
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tidegate.local.asl.errors import StateError
from tidegate.local.calls import Calls
from tidegate.local.faults import Crash, Faults, Hang
from tidegate.local.loop import Loop
from tidegate.local.role import Role, acting_as
from tidegate.local.service import ServiceError, required
from tidegate.local.stepper import Done

Handler = Callable[[Any], Any]

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
MAX_DURATION = timedelta(minutes=15)
_TIMED_OUT = f"Task timed out after {MAX_DURATION.total_seconds():.2f} seconds"
ASYNC_RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=2))
"""Lambda tries an asynchronous event three times."""

_NAME = re.compile(
    r"(?:arn:aws:lambda:[^:]+:\d+:function:)?(?P<name>[\w-]+)(?P<qualifier>:[\w$-]+)?"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    name: str
    handler: Handler
    role: Role
    takes: Callable[[Any], timedelta] | None = None
    """How long an invocation lasts on the deployment's clock, by its event; None is no time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one invocation."""

    payload: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """An invocation that ended in an exception; kept for tests and the log."""

    function: str
    event: Any
    error: BaseException


class Functions:
    """The functions of a deployment, and how they are invoked."""

    def __init__(
        self, loop: Loop, *, calls: Calls, faults: Faults, workers: Executor | None = None
    ) -> None:
        self._loop = loop
        self._calls = calls
        self._faults = faults
        self._workers = workers
        self._functions: dict[str, Function] = {}
        self.failures: deque[Failure] = deque(maxlen=1_000)
        self.dropped: list[tuple[str, Any]] = []
        """Asynchronous events given up on after the last attempt: (function, event)."""

    def register(self, function: Function, version: str | None = None) -> None:
        """With a ``version``, only that version of it."""
        key = function.name if version is None else f"{function.name}:{version}"
        self._functions[key] = function

    def find(self, name: str) -> Function:
        """The function of that name, or ARN, with or without a qualifier. One without versions answers to all of them.

        Raises:
            ServiceError: there is none.
        """
        found = None
        if parsed := _NAME.fullmatch(name):
            exactly = f"{parsed['name']}{parsed['qualifier'] or ''}"
            found = self._functions.get(exactly) or self._functions.get(parsed["name"])
        if found is None:
            raise ServiceError(
                "ResourceNotFoundException", f"Function not found: {name}", status=404
            )
        return found

    # The API --------------------------------------------------------------------------------------------------

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """``Invoke``; everything else is moto's."""
        if operation != "Invoke":
            return None
        kind = body.get("InvocationType", "RequestResponse")
        answer = self._on_its_thread(body["FunctionName"], payload_of(body), kind)
        if answer is None:
            return {"StatusCode": 204 if kind == "DryRun" else 202, "Payload": ""}
        shown: dict[str, Any] = {
            "StatusCode": 200,
            "ExecutedVersion": "$LATEST",
            "Payload": answer.payload,
        }
        if answer.failed:
            shown["FunctionError"] = "Unhandled"
        return shown

    def _on_its_thread(self, name: str, payload: str, kind: str) -> Answer | None:
        """Control-plane functions run on the loop, whoever calls; user code where the caller is."""
        here = self._loop.is_current or (
            self._workers is not None and self.find(name).role is Role.USER and kind != "Event"
        )
        if here:
            return self.invoke(name, payload, kind)
        return self._loop.submit_from_thread(lambda: self.invoke(name, payload, kind)).result()

    def invoke(self, name: str, payload: str, kind: str = "RequestResponse") -> Answer | None:
        """Answers None for an asynchronous invocation: the event is queued."""
        function = self.find(name)
        if len(payload.encode()) > MAX_PAYLOAD_BYTES:
            raise ServiceError(
                "RequestTooLargeException",
                "Request must be smaller than 6291456 bytes.",
                status=413,
            )
        event = _event(payload)
        if kind == "DryRun":
            return None
        if kind == "Event":
            self._queue(function, event, 0)
            return None
        try:
            return self._deliver(function, event)
        except Hang:
            return _failure("Sandbox.Timedout", "Task timed out")

    def send(self, name: str, event: Any) -> None:
        """Invoke asynchronously: at least once, with Lambda's own retries."""
        self._queue(self.find(name), event, 0)

    def _queue(self, function: Function, event: Any, attempt: int) -> None:
        def done(answer: Answer) -> None:
            if not answer.failed:
                return
            if attempt >= len(ASYNC_RETRY_DELAYS):
                self.dropped.append((function.name, event))
                return
            self._loop.call_later(
                ASYNC_RETRY_DELAYS[attempt], lambda: self._queue(function, event, attempt + 1)
            )

        self._calls.add(Role.OUTSIDE, "lambda", "Invoke")
        self._run(function, event, done)

    # As a task of a state machine -----------------------------------------------------------------------------

    def start(self, parameters: Any, done: Done) -> Callable[[], None]:
        """``lambda:invoke``. An invocation cannot be stopped: abandoned, its answer is ignored."""
        try:
            function = self.find(str(required(parameters, "FunctionName")))
        except ServiceError as error:
            refused = StateError(f"Lambda.{error.code}", error.message)
            self._loop.call_soon(lambda: done(refused))
            return lambda: None
        self._calls.add(Role.STATES, "lambda", "Invoke")
        self._run(function, parameters.get("Payload"), lambda answer: done(_task_result(answer)))
        return lambda: None

    # ----------------------------------------------------------------------------------------------------------

    def _run(self, function: Function, event: Any, done: Callable[[Answer], None]) -> None:
        """Run in turn; ``done`` is called on the loop."""
        workers = self._workers if function.role is Role.USER else None
        if workers is None:
            self._loop.call_soon(lambda: self._run_here(function, event, done))
            return
        hold = self._loop.hold()

        def work() -> None:
            try:
                answer = self._deliver(function, event)
            except Hang:
                return
            finally:
                hold.release()
            self._loop.call_soon(lambda: done(answer))

        workers.submit(work)

    def _run_here(self, function: Function, event: Any, done: Callable[[Answer], None]) -> None:
        try:
            answer = self._deliver(function, event)
        except Hang:
            return
        if function.takes is None:
            done(answer)
            return
        takes = function.takes(event)
        if takes > MAX_DURATION:
            takes, answer = MAX_DURATION, _failure("Sandbox.Timedout", _TIMED_OUT)
        self._loop.call_later(takes, lambda: done(answer))

    def _deliver(self, function: Function, event: Any) -> Answer:
        if self._faults.delivers_twice(function.name):
            self._execute(function, event)
        return self._execute(function, event)

    def _execute(self, function: Function, event: Any) -> Answer:
        try:
            with acting_as(function.role):
                result = function.handler(json.loads(json.dumps(event)))
        except Hang:
            raise
        except (Crash, SystemExit) as error:
            self._failed(function, event, error)
            return _failure("Runtime.ExitError", f"Runtime exited with error: {error}")
        except Exception as error:  # noqa: BLE001 - whatever a function raises is its answer
            self._failed(function, event, error)
            return _failure(type(error).__name__, str(error), traceback.format_exc())
        return _success(result)

    def _failed(self, function: Function, event: Any, error: BaseException) -> None:
        self.failures.append(Failure(function.name, event, error))
        if function.role is Role.CONTROL and not isinstance(error, Crash):
            _log.warning("Function %s failed", function.name, exc_info=error)


def _event(payload: str) -> Any:
    try:
        return json.loads(payload or "{}")
    except ValueError as error:
        raise ServiceError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}"
        ) from error


def _success(result: Any) -> Answer:
    try:
        payload = json.dumps(result)
    except (TypeError, ValueError) as error:
        return _failure("Runtime.MarshalError", f"Unable to marshal response: {error}")
    if len(payload.encode()) > MAX_PAYLOAD_BYTES:
        return _failure(
            "Function.ResponseSizeTooLarge",
            f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes).",
        )
    return Answer(payload)


def _failure(kind: str, message: str, stack: str = "") -> Answer:
    document: dict[str, Any] = {"errorMessage": message, "errorType": kind}
    if stack:
        document["stackTrace"] = stack.splitlines()
    return Answer(json.dumps(document), failed=True)


def _task_result(answer: Answer) -> dict[str, Any] | StateError:
    document = json.loads(answer.payload)
    if answer.failed:
        return StateError(document["errorType"], answer.payload)
    return {
        "ExecutedVersion": "$LATEST",
        "Payload": document,
        "SdkHttpMetadata": {"HttpStatusCode": 200},
        "StatusCode": 200,
    }


def payload_of(body: Mapping[str, Any]) -> str:
    """The event of an Invoke call, as it came over the wire."""
    given = body.get("Payload", b"")
    return given.decode() if isinstance(given, bytes | bytearray) else str(given)
