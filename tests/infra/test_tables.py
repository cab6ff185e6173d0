from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

from infra.constructs.tables import Tables
from tidegate.adapters.dynamodb.table import ControlTable, all_tables, table_name


@pytest.fixture
def tables(template: Any) -> dict[str, dict[str, Any]]:
    return {
        one["Properties"]["TableName"]: one
        for one in template.all("AWS::DynamoDB::GlobalTable").values()
    }


def test_there_is_one_table_for_each_model_and_no_other(tables: dict[str, Any]) -> None:
    assert set(tables) == {table_name(one, "tidegate") for one in all_tables()}


@pytest.mark.parametrize("model", all_tables(), ids=lambda one: one.name)
def test_keys_and_indexes_are_those_of_the_model(
    tables: dict[str, Any], model: type[ControlTable]
) -> None:
    schema: Any = model._get_schema()

    made = tables[table_name(model, "tidegate")]["Properties"]

    assert _sorted(made["KeySchema"]) == _sorted(schema["key_schema"])
    assert _sorted(made["AttributeDefinitions"]) == _sorted(schema["attribute_definitions"])
    assert {
        one["IndexName"]: (_sorted(one["KeySchema"]), one["Projection"])
        for one in made.get("GlobalSecondaryIndexes", [])
    } == {
        one["index_name"]: (_sorted(one["key_schema"]), one["projection"])
        for one in schema["global_secondary_indexes"]
    }


@pytest.mark.parametrize("model", all_tables(), ids=lambda one: one.name)
def test_a_row_expires_where_the_model_says_and_nowhere_else(
    tables: dict[str, Any], model: type[ControlTable]
) -> None:
    made = tables[table_name(model, "tidegate")]["Properties"].get("TimeToLiveSpecification")

    expected = model.ttl_attribute and {"AttributeName": model.ttl_attribute, "Enabled": True}
    assert made == expected


def test_state_survives_the_stack_and_a_mistake(tables: dict[str, Any]) -> None:
    for table in tables.values():
        replica = table["Properties"]["Replicas"][0]

        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_tables_cost_nothing_idle_and_are_encrypted_with_a_key_whose_use_is_on_record(
    tables: dict[str, Any],
) -> None:
    for table in tables.values():
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}


class ByNumber(GlobalSecondaryIndex["Odd"]):
    class Meta:
        index_name = "by_number"
        projection = IncludeProjection(["extra"])

    number = NumberAttribute(hash_key=True)


class BySort(GlobalSecondaryIndex["Odd"]):
    class Meta:
        index_name = "by_sort"
        projection = KeysOnlyProjection()

    sk = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)


class Odd(ControlTable):
    class Meta:
        table_name = "odd"

    name = "odd"
    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    number = NumberAttribute()
    by_number = ByNumber()
    by_sort = BySort()


def test_any_index_that_a_model_can_have_is_made() -> None:
    stack = cdk.Stack(cdk.App(builtin_cloud_formation_validation=False), "Stack")

    Tables(stack, "Tables", models=[Odd], prefix="other")

    (table,) = Template.from_stack(stack).find_resources("AWS::DynamoDB::GlobalTable").values()
    made = table["Properties"]
    assert made["TableName"] == "other-odd"
    assert {"AttributeName": "number", "AttributeType": "N"} in made["AttributeDefinitions"]
    assert [one["Projection"] for one in made["GlobalSecondaryIndexes"]] == [
        {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["extra"]},
        {"ProjectionType": "KEYS_ONLY"},
    ]


def _sorted(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(entries, key=lambda one: one["AttributeName"])
