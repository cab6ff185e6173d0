"""The one door to the services of this process.

botocore offers every call to ``before-call`` handlers before it signs and sends it. The handler below takes those that this
process answers itself, so boto3 and PynamoDB need no configuration and adapters are the same code as on AWS; all
others go on to moto. The HTTP server for other processes comes through the same door.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import unquote

from botocore.exceptions import ConnectionClosedError
from botocore.handlers import BUILTIN_HANDLERS
from botocore.response import StreamingBody

from tidegate.local.calls import Calls
from tidegate.local.faults import Crash, Fault, Faults, Hang
from tidegate.local.guard import Guard
from tidegate.local.objects import MotoObjects
from tidegate.local.role import current_role
from tidegate.local.service import Service, ServiceError

_THROTTLES = {
    "dynamodb": ("ProvisionedThroughputExceededException", 400),
    "lambda": ("TooManyRequestsException", 429),
    "s3": ("SlowDown", 503),
}
_AFTER = "tidegate_local_fault"
_ASKED = "tidegate_local_asked"


class Gateway:
    """Counts, guards, faults and answers calls. One is active in a process at a time."""

    active: ClassVar[Gateway | None] = None

    def __init__(
        self,
        services: Mapping[str, Service],
        *,
        calls: Calls,
        faults: Faults,
        guard: Guard,
        objects: MotoObjects | None = None,
    ) -> None:
        self._services = services
        self._objects = objects
        self._calls = calls
        self._faults = faults
        self._guard = guard

    def call(self, service: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Do the call as the current role. None: it is moto's.

        Raises:
            ServiceError: it is refused.
            Crash, ConnectionClosedError: a fault was armed for it.
        """
        fault = self._admit(service, operation, body)
        known = self._services.get(service)
        if known is None:
            return None
        if fault is None:
            return known.call(operation, body)
        if fault is Fault.LOST:
            return _as_if_begun(service, body)
        try:
            answer = known.call(operation, body)
            if fault is Fault.REPEATED:
                answer = known.call(operation, body)
        except ServiceError:
            _strike_after(fault, service)
            raise
        _strike_after(fault, service)
        return answer

    def answers(self, service: str) -> bool:
        return service in self._services

    def _admit(self, service: str, operation: str, body: Mapping[str, Any]) -> Fault | None:
        """Count, guard and strike what strikes before. Answers the fault that strikes after."""
        role = current_role()
        self._guard.check(role, service, operation, body)
        self._calls.add(role, service, operation)
        fault = self._faults.on_call(role, service, operation)
        if fault is not None:
            _strike_before(fault, service, operation, body)
        return fault

    # botocore -------------------------------------------------------------------------------------------------

    def before_call(
        self, model: Any, params: Mapping[str, Any], context: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]] | None:
        service, operation = model.service_model.service_name, model.name
        try:
            if not self.answers(service):
                context[_AFTER] = self._admit(service, operation, {})
                return self._directly(service, operation, context)
            answer = self.call(service, operation, request_body(service, params))
        except ServiceError as error:
            return _Http(error.status), _refusal(error)
        if answer is None:
            return None
        return _Http(200), _parsed(service, answer)

    def _directly(
        self, service: str, operation: str, context: Mapping[str, Any]
    ) -> tuple[Any, dict[str, Any]] | None:
        """What moto has, without asking it by a request. None: it must be asked."""
        if service != "s3" or self._objects is None:
            return None
        answer = self._objects.call(operation, context.get(_ASKED, {}))
        return None if answer is None else (_Http(200), _parsed(service, answer))

    def after_call(self, model: Any, context: Mapping[str, Any]) -> None:
        fault = context.get(_AFTER)
        if fault is not None:
            _strike_after(fault, model.service_model.service_name)


def request_body(service: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a call as botocore serialized it."""
    body = params.get("body") or b""
    if service == "lambda":
        return lambda_body(params["url_path"], params.get("headers") or {}, body)
    text = body if isinstance(body, str | bytes | bytearray) else body.read()
    return json.loads(text) if text else {}


def lambda_body(path: str, headers: Mapping[str, Any], payload: Any) -> dict[str, Any]:
    """The parameters of an Invoke call, which is all of Lambda that runs here; empty for another."""
    pieces = unquote(path).strip("/").split("/")
    if len(pieces) < 4 or pieces[1] != "functions" or pieces[3] != "invocations":
        return {}
    lowered = {key.lower(): value for key, value in headers.items()}
    return {
        "FunctionName": pieces[2],
        "Payload": payload.read() if hasattr(payload, "read") else payload,
        "InvocationType": lowered.get("x-amz-invocation-type", "RequestResponse"),
    }


def _parsed(service: str, answer: dict[str, Any]) -> dict[str, Any]:
    parsed = {**answer, "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}
    if service == "lambda":
        payload = answer["Payload"].encode()
        parsed["Payload"] = StreamingBody(io.BytesIO(payload), len(payload))
    return parsed


def _refusal(error: ServiceError) -> dict[str, Any]:
    return {
        "Error": {"Code": error.code, "Message": error.message},
        "message": error.message,
        **error.extra,
        "ResponseMetadata": {"HTTPStatusCode": error.status, "RetryAttempts": 0},
    }


def _strike_before(fault: Fault, service: str, operation: str, body: Mapping[str, Any]) -> None:
    if fault is Fault.CRASH_BEFORE:
        raise Crash(f"before {service}:{operation}")
    if fault is Fault.UNAVAILABLE:
        raise ServiceError("InternalServerError", "Internal server error", status=500)
    if fault is Fault.THROTTLED:
        if operation.startswith("Transact"):
            raise _cancelled(body, "ThrottlingError")
        code, status = _THROTTLES.get(service, ("ThrottlingException", 400))
        raise ServiceError(code, "Rate exceeded", status=status)
    if fault is Fault.CONFLICT:
        if operation.startswith("Transact"):
            raise _cancelled(body, "TransactionConflict")
        raise ServiceError("TransactionConflictException", "Transaction is ongoing for the item")


def _as_if_begun(service: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a call whose effect is lost."""
    if service == "lambda":
        return {"StatusCode": 202, "Payload": ""}
    arn = f"{body['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{body['name']}"
    return {"executionArn": arn, "startDate": datetime.now(UTC)}


def _strike_after(fault: Fault, service: str) -> None:
    if fault is Fault.CRASH_AFTER:
        raise Crash(f"after {service}")
    if fault is Fault.ABANDONED:
        raise Hang(f"after {service}")
    if fault is Fault.ANSWER_LOST:
        raise ConnectionClosedError(endpoint_url=f"https://{service}")


def _cancelled(body: Mapping[str, Any], code: str) -> ServiceError:
    others = [{"Code": "None"} for _ in body.get("TransactItems", ())[1:]]
    codes = ", ".join([code, *("None" for _ in others)])
    return ServiceError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=[{"Code": code, "Message": code}, *others],
    )


class _Http:
    """As much of an HTTP response as botocore looks at."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code
        self.headers: dict[str, str] = {}


def _before_call(
    model: Any, params: Mapping[str, Any], context: dict[str, Any], **_: Any
) -> tuple[Any, dict[str, Any]] | None:
    active = Gateway.active
    return None if active is None else active.before_call(model, params, context)


def _keep_what_is_asked(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
    """The parameters as the caller gave them, which the request does not show any more."""
    if Gateway.active is not None:
        context[_ASKED] = dict(params)  # as it is now: botocore changes it further on


def _after_call(model: Any, context: Mapping[str, Any], **_: Any) -> None:
    active = Gateway.active
    if active is not None:
        active.after_call(model, context)


def _install(event: str, handler: Callable[..., Any]) -> None:
    """Clients made from now on have the handler. It does nothing while no gateway is active."""
    BUILTIN_HANDLERS.append((event, handler))


_install("provide-client-params.s3", _keep_what_is_asked)
_install("before-call", _before_call)
_install("after-call", _after_call)
