"""The client of DynamoDB that the models and transactions call: botocore's, with a shorter way for what is called often.

botocore serializes, resolves, signs, sends and parses by rules made for all services, which takes 1.5 ms of processor a
call; a function pays for that in time and in money. The calls on rows take the way of ``wire.py``, which needs a quarter of
it. What else botocore does for them is done here too: who is registered for its events is asked (so moto and the local
deployment answer as they do for any client), its credentials are used, its errors are raised. Whatever does not go
well goes botocore's own way after all, which tries again with pauses.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from tidegate.adapters.answers import NO_ANSWER, kind_of
from tidegate.adapters.dynamodb.http_answer import Answer
from tidegate.adapters.dynamodb.wire import Signer, Wire, read, written
from tidegate.errors import ThrottledError, UnavailableError

ON_ROWS = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "TransactWriteItems",
        "UpdateItem",
    }
)
OK = range(200, 300)
USER_AGENT = "tidegate"


class Client:
    """A botocore client of DynamoDB in all but the calls on rows.

    ``tries_again``: a call that did not go well is sent again by botocore, as often as its configuration says.
    """

    def __init__(self, plain: Any, wire: Wire, *, tries_again: bool) -> None:
        self._plain = plain
        self._wire = wire
        self._signer = Signer(wire.host, plain.meta.region_name)
        self._tries_again = tries_again
        models = plain.meta.service_model
        self._models = {name: models.operation_model(name) for name in ON_ROWS}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def _make_api_call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """As botocore's, which PynamoDB calls.

        Raises:
            ClientError: DynamoDB refused it.
            BotoCoreError, ResponseParserError: no answer came, or none that can be read.
        """
        model, credentials = self._models.get(operation), self._request_signer._credentials
        if model is None or credentials is None:
            return self._plainly(operation, parameters)
        if operation == "TransactWriteItems":
            # Sent again, it is not done again.
            parameters = {"ClientRequestToken": str(uuid.uuid4()), **parameters}
        body, headers, context = written(parameters), {"user-agent": USER_AGENT}, dict[str, Any]()
        response, answer = self._given(model, body, headers, context)
        if response is None:
            try:
                sent = self._send(operation, headers, body, credentials)
                answer = read(sent, self._wire.url)
            except NO_ANSWER:
                if not self._tries_again:
                    raise
                return self._plainly(operation, parameters)
            if self._tries_again and sent.status not in OK and self._may_pass(answer, operation):
                return self._plainly(operation, parameters)
            response = SimpleNamespace(status_code=sent.status, headers=sent.headers)
        self.meta.events.emit(
            f"after-call.dynamodb.{operation}",
            http_response=response,
            parsed=answer,
            model=model,
            context=context,
        )
        if response.status_code not in OK:
            raise self._error(answer, operation)
        return answer

    def _given(
        self, model: Any, body: bytes, headers: dict[str, str], context: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """The answer of somebody who is registered for calls, if one gives it; headers may be added in any case."""
        request = {
            "method": "POST",
            "url": self._wire.url,
            "url_path": "/",
            "headers": headers,
            "body": body,
            "context": context,
        }
        _, given = self.meta.events.emit_until_response(
            f"before-call.dynamodb.{model.name}",
            model=model,
            params=request,
            request_signer=self._request_signer,
            context=context,
        )
        return given or (None, {})

    def _error(self, answer: dict[str, Any], operation: str) -> ClientError:
        error: ClientError = self._plain.exceptions.from_code(answer["Error"]["Code"])(
            answer, operation
        )
        return error

    def _may_pass(self, answer: dict[str, Any], operation: str) -> bool:
        """Sent again after a while, it may be done."""
        return kind_of(self._error(answer, operation)) in (ThrottledError, UnavailableError)

    def _send(
        self, operation: str, headers: dict[str, str], body: bytes, credentials: Any
    ) -> Answer:
        frozen, now = credentials.get_frozen_credentials(), datetime.now(UTC)
        headers |= self._signer.headers(operation, body, frozen, now)
        shown: Any = headers
        prepared = AWSPreparedRequest("POST", self._wire.url, shown, body, False)
        _, response = self.meta.events.emit_until_response(
            f"before-send.dynamodb.{operation}", request=prepared
        )
        if response is None:
            return self._wire.send(headers, body)
        lower = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, lower, response.content)

    def _plainly(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._plain._make_api_call(operation, parameters)
        return answer
