"""Transactions that check everything first, undo exactly what they did, and know their tokens.

moto: ``TransactWriteItems`` deep-copies each table it touches (0.2 s at 1,000 items) and puts the copy back when it fails, which
also erases what other threads wrote; it ignores ``ClientRequestToken``, so that a call the SDK repeats is applied twice;
and it answers a failed validation of one item as if the whole request were malformed.
AWS: nothing is written unless all conditions hold; the same token within ten minutes is answered without writing again, and
with other parameters refused as ``IdempotentParameterMismatchException``; an item that does not validate against
what is stored cancels the transaction with the reason ``ValidationError``.
Can go when moto does these three.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    ConditionalCheckFailed,
    DynamodbException,
    MockValidationException,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.responses import DynamoHandler

from tidegate.local.repairs.patch import Repair
from tidegate.local.repairs.undo import Key, Undo, find, key_of

TOKEN_SECONDS = 600.0
MAX_TOKENS = 10_000
"""Every transaction that botocore sends has a token; the oldest are forgotten early."""
MAX_ITEMS = 100

Reason = tuple[str | None, str | None, dict[str, Any] | None]
"""(code, message, item): all None for an item that is fine."""

_FINE: Reason = (None, None, None)
_transact_write_items = DynamoHandler.transact_write_items


class IdempotentParameterMismatch(DynamodbException):
    def __init__(self) -> None:
        super().__init__(
            "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",
            "Two requests with the same ClientRequestToken must have the same parameters.",
        )


def _transact(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    if len(transact_items) > MAX_ITEMS:
        raise TooManyTransactionsException
    actions = [_action(self, item) for item in transact_items]
    if len({key for _, _, key in actions}) < len(actions):
        raise MultipleTransactionsException
    reasons = [_check(action, key) for _, action, key in actions]
    if any(code for code, _, _ in reasons):
        raise TransactionCanceledException(reasons)
    undo = Undo(key for kind, _, key in actions if kind != "ConditionCheck")
    for place, (kind, action, _) in enumerate(actions):
        try:
            _apply(self, kind, action)
        except MockValidationException as error:
            undo.restore()
            reasons[place] = ("ValidationError", str(error.message), None)
            raise TransactionCanceledException(reasons) from error
        except BaseException:
            undo.restore()
            raise


def _action(backend: DynamoDBBackend, item: dict[str, Any]) -> tuple[str, dict[str, Any], Key]:
    if len(item) != 1:
        raise TransactWriteSingleOpException
    kind, action = next(iter(item.items()))
    table = backend.get_table(action["TableName"])
    attributes = action["Item" if kind == "Put" else "Key"]
    if any(name not in attributes for name in table.table_key_attrs):
        raise MockValidationException("The provided key element does not match the schema")
    return kind, action, key_of(table, attributes)


def _check(action: dict[str, Any], key: Key) -> Reason:
    expression = action.get("ConditionExpression")
    if expression is None:
        return _FINE
    stored = find(key)
    condition = get_filter_expression(
        expression,
        action.get("ExpressionAttributeNames"),
        action.get("ExpressionAttributeValues"),
    )
    if condition.expr(stored):
        return _FINE
    shown = action.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and stored is not None
    return (
        "ConditionalCheckFailed",
        str(ConditionalCheckFailed().message),
        stored.to_json()["Attributes"] if shown and stored is not None else None,
    )


def _apply(backend: DynamoDBBackend, kind: str, action: dict[str, Any]) -> None:
    table = action["TableName"]
    if kind == "Put":
        backend.put_item(table, action["Item"])
    elif kind == "Delete":
        backend.delete_item(table, action["Key"])
    elif kind == "Update":
        backend.update_item(
            table,
            action["Key"],
            update_expression=action["UpdateExpression"],
            expression_attribute_names=action.get("ExpressionAttributeNames") or {},
            expression_attribute_values=action.get("ExpressionAttributeValues") or {},
        )


def _with_token(self: DynamoHandler) -> ActionResult:
    token = self.body.get("ClientRequestToken")
    if not token:
        return _transact_write_items(self)
    backend: Any = self.dynamodb_backend
    seen: dict[str, tuple[float, bytes]] = backend.__dict__.setdefault("tidegate_tokens", {})
    now, asked = time.monotonic(), _digest(self.body["TransactItems"])
    when, before = seen.get(token, (now - TOKEN_SECONDS, asked))
    if now - when < TOKEN_SECONDS:
        if before != asked:
            raise IdempotentParameterMismatch
        return ActionResult({})
    result = _transact_write_items(self)
    seen[token] = (now, asked)
    if len(seen) > MAX_TOKENS:
        del seen[next(iter(seen))]
    return result


def _digest(items: list[dict[str, Any]]) -> bytes:
    return hashlib.sha256(json.dumps(items, sort_keys=True).encode()).digest()


REPAIR = Repair(
    "dynamodb transactions",
    (DynamoDBBackend, "transact_write_items", _transact),
    (DynamoHandler, "transact_write_items", _with_token),
)
