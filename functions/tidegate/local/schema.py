"""The control tables as CreateTable wants them, read from the PynamoDB models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.adapters.dynamodb.table import ControlTable, table_name


def create_table_parameters(model: type[ControlTable], prefix: str) -> dict[str, Any]:
    """The parameters of ``create_table`` for a model and its indexes."""
    schema = model._get_schema()
    parameters: dict[str, Any] = {
        "TableName": table_name(model, prefix),
        "AttributeDefinitions": schema["attribute_definitions"],
        "KeySchema": _hash_first(schema["key_schema"]),
        "BillingMode": "PAY_PER_REQUEST",
    }
    indexes = [
        {
            "IndexName": index["index_name"],
            "KeySchema": _hash_first(index["key_schema"]),
            "Projection": index["projection"],
        }
        for index in schema["global_secondary_indexes"]
    ]
    if indexes:
        parameters["GlobalSecondaryIndexes"] = indexes
    return parameters


def _hash_first(keys: Sequence[Any]) -> list[Any]:
    """DynamoDB wants the partition key first; PynamoDB gives attributes by name."""
    return sorted(keys, key=lambda one: one["KeyType"])
