"""The control tables, as their pynamodb models describe them: keys, indexes and TTL are defined there and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from tidegate.adapters.dynamodb.table import ControlTable, table_name

_TYPES = {
    "S": dynamodb.AttributeType.STRING,
    "N": dynamodb.AttributeType.NUMBER,
    "B": dynamodb.AttributeType.BINARY,
}
_PROJECTIONS = {
    "ALL": dynamodb.ProjectionType.ALL,
    "KEYS_ONLY": dynamodb.ProjectionType.KEYS_ONLY,
    "INCLUDE": dynamodb.ProjectionType.INCLUDE,
}


class Tables(Construct):
    """One table for each model, kept when the stack goes."""

    def __init__(
        self, scope: Construct, id: str, *, models: Iterable[type[ControlTable]], prefix: str
    ) -> None:
        super().__init__(scope, id)
        for model in models:
            self._table(model, table_name(model, prefix))

    def _table(self, model: type[ControlTable], name: str) -> None:
        schema: dict[str, Any] = dict(model._get_schema())
        if schema["local_secondary_indexes"]:
            raise ValueError(
                f"Table {name} has local indexes, which the control tables do not use."
            )
        types = {
            one["AttributeName"]: one["AttributeType"] for one in schema["attribute_definitions"]
        }
        key = _key(schema["key_schema"], types)
        dynamodb.TableV2(
            self,
            model.name.title(),
            table_name=name,
            partition_key=key["HASH"],
            sort_key=key.get("RANGE"),
            billing=dynamodb.Billing.on_demand(),
            global_secondary_indexes=[
                _index(one, types) for one in schema["global_secondary_indexes"]
            ],
            time_to_live_attribute=model.ttl_attribute,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryptionV2.aws_managed_key(),
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )


def _key(schema: Iterable[dict[str, str]], types: dict[str, str]) -> dict[str, dynamodb.Attribute]:
    return {
        one["KeyType"]: dynamodb.Attribute(
            name=one["AttributeName"], type=_TYPES[types[one["AttributeName"]]]
        )
        for one in schema
    }


def _index(schema: dict[str, Any], types: dict[str, str]) -> dynamodb.GlobalSecondaryIndexPropsV2:
    key = _key(schema["key_schema"], types)
    projection = schema["projection"]
    return dynamodb.GlobalSecondaryIndexPropsV2(
        index_name=schema["index_name"],
        partition_key=key["HASH"],
        sort_key=key.get("RANGE"),
        projection_type=_PROJECTIONS[projection["ProjectionType"]],
        non_key_attributes=projection.get("NonKeyAttributes"),
    )
