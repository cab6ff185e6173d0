"""DynamoDB on moto, without the way there: no HTTP, no serializers, one lock, honest capacity units.

moto: every call is parsed and serialized generically (half of the time of a read), and ``ConsumedCapacity`` is a constant.
Here the JSON body that botocore has made goes straight to moto's handler, and its result straight back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError, ServiceException
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.responses import DynamoHandler

from tidegate.local.calls import Calls
from tidegate.local.capacity import (
    Footprint,
    Units,
    attributes_size,
    footprint,
    read_units,
    write_units,
)
from tidegate.local.repairs.dynamodb_lock import LOCK
from tidegate.local.repairs.dynamodb_queries import measured
from tidegate.local.repairs.undo import Key, find, key_of
from tidegate.local.role import current_role
from tidegate.local.service import ServiceError, with_binary

_READS = {
    "GetItem": "get_item",
    "BatchGetItem": "batch_get_item",
    "TransactGetItems": "transact_get_items",
}
_QUERIES = {"Query": "query", "Scan": "scan"}
_WRITES = {
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "BatchWriteItem": "batch_write_item",
    "TransactWriteItems": "transact_write_items",
}
_ANSWERS = frozenset(
    {
        "Attributes",
        "Count",
        "Item",
        "Items",
        "LastEvaluatedKey",
        "Responses",
        "ScannedCount",
        "UnprocessedItems",
        "UnprocessedKeys",
    }
)
_FAILED = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})
"""Refusals that are billed as writes."""


class MotoTables:
    """The data operations of DynamoDB. Table operations are left to moto."""

    def __init__(self, *, region: str, account: str, calls: Calls) -> None:
        self._handler = DynamoHandler()
        self._handler.region = region
        self._handler.current_account = account
        self._region, self._account = region, account
        self._calls = calls

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        with LOCK:
            if operation in _WRITES:
                return self._write(operation, body)
            if operation in _READS:
                return self._read(operation, body)
            if operation in _QUERIES:
                return self._query(operation, body)
        return None

    @property
    def _backend(self) -> DynamoDBBackend:
        return dynamodb_backends[self._account][self._region]

    def _write(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        keys = list(self._written(operation, body))
        before = [footprint(key[0], find(key)) for key in keys]
        try:
            answer = self._handle(_WRITES[operation], body)
        except ServiceError as error:
            if error.code in _FAILED:
                self._count_writes(operation, keys, before)
            raise
        return self._with_capacity(
            answer, body, operation, self._count_writes(operation, keys, before)
        )

    def _count_writes(
        self, operation: str, keys: list[Key], before: list[Footprint]
    ) -> dict[str, Units]:
        spent: dict[str, Units] = {}
        for key, old in zip(keys, before, strict=True):
            new = footprint(key[0], find(key))
            units = write_units(old, new, transaction=operation == "TransactWriteItems")
            spent.setdefault(key[0].name, Units()).add(units)
        self._calls.consumed(current_role(), write_units=sum(one.total for one in spent.values()))
        return spent

    def _written(self, operation: str, body: Mapping[str, Any]) -> Iterator[Key]:
        """The keys an operation may write; those that are malformed are left for moto to refuse."""
        for table_name, attributes in _written_attributes(operation, body):
            table = self._backend.tables.get(table_name.rsplit("/", maxsplit=1)[-1])
            if table is not None and all(one in attributes for one in table.table_key_attrs):
                yield key_of(table, attributes)

    def _read(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._handle(_READS[operation], body)
        spent: dict[str, Units] = {}
        for table_name, key, consistent in _read_keys(operation, body):
            table = self._backend.get_table(table_name)
            size = _size(key_of(table, key))
            units = read_units(
                size, consistent=consistent, transaction=operation == "TransactGetItems"
            )
            spent.setdefault(table.name, Units()).add(Units(table=units))
        self._calls.consumed(current_role(), read_units=sum(one.total for one in spent.values()))
        return self._with_capacity(answer, body, operation, spent)

    def _query(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        with measured() as size:
            answer = self._handle(_QUERIES[operation], body)
        units = read_units(size.bytes, consistent=bool(body.get("ConsistentRead")))
        index = body.get("IndexName")
        spent = Units(indexes={index: units}) if index else Units(table=units)
        self._calls.consumed(current_role(), read_units=units)
        return self._with_capacity(answer, body, operation, {body["TableName"]: spent})

    def _handle(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        handler: Any = self._handler
        handler.body = handler.params = body
        try:
            result: dict[str, Any] = getattr(handler, method)().result
        except (JsonRESTError, ServiceException) as error:
            raise _refusal(error) from error
        return {name: value for name, value in result.items() if name in _ANSWERS}

    def _with_capacity(
        self,
        answer: dict[str, Any],
        body: Mapping[str, Any],
        operation: str,
        spent: dict[str, Units],
    ) -> dict[str, Any]:
        detail = body.get("ReturnConsumedCapacity", "NONE")
        if detail != "NONE":
            shown = [units.to_json(table, detail) for table, units in spent.items()]
            many = operation.startswith(("Batch", "Transact"))
            answer["ConsumedCapacity"] = shown if many else shown[0]
        return answer


def _written_attributes(
    operation: str, body: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(table, attributes that hold the key) of each item the operation writes or checks."""
    if operation == "TransactWriteItems":
        for item in body.get("TransactItems", ()):
            for action in item.values():
                yield action["TableName"], action.get("Item") or action.get("Key") or {}
    elif operation == "BatchWriteItem":
        for table, requests in body.get("RequestItems", {}).items():
            for request in requests:
                for action in request.values():
                    yield table, action.get("Item") or action.get("Key") or {}
    else:
        yield body["TableName"], body.get("Item") or body.get("Key") or {}


def _read_keys(
    operation: str, body: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """(table, key, consistent) of each item the operation reads."""
    if operation == "TransactGetItems":
        for item in body["TransactItems"]:
            yield item["Get"]["TableName"], item["Get"]["Key"], True
    elif operation == "BatchGetItem":
        for table, request in body["RequestItems"].items():
            for key in request["Keys"]:
                yield table, key, bool(request.get("ConsistentRead"))
    else:
        yield body["TableName"], body["Key"], bool(body.get("ConsistentRead"))


def _size(key: Key) -> int:
    item = find(key)
    return 0 if item is None else attributes_size(item.attrs)


def _refusal(error: JsonRESTError | ServiceException) -> ServiceError:
    if isinstance(error, ServiceException):
        return ServiceError(error.code, error.message)
    document: dict[str, Any] = json.loads(error.description, object_hook=with_binary)
    code = str(document.pop("__type", error.error_type)).rsplit("#", maxsplit=1)[-1]
    message = str(document.pop("message", document.pop("Message", "")))
    return ServiceError(code, message, **document)
