"""Metadata: which values are accepted, and the form in which they are stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tidegate import (
    AssetKey,
    MetadataValue,
    TableColumn,
    TableColumnDep,
    TableColumnLineage,
    TableRecord,
    TableSchema,
)
from tidegate.errors import InvocationError
from tidegate.sdk.metadata import metadata_json, normalize_metadata


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("a", {"type": "text", "value": "a"}),
        (1, {"type": "int", "value": 1}),
        (True, {"type": "bool", "value": True}),
        (1.5, {"type": "float", "value": 1.5}),
        (float("nan"), {"type": "float", "value": "nan"}),
        (float("-inf"), {"type": "float", "value": "-inf"}),
        (None, {"type": "null", "value": None}),
        ({"a": [1, (2, None)]}, {"type": "json", "value": {"a": [1, [2, None]]}}),
        ([float("nan")], {"type": "json", "value": [None]}),
        (Path("a/b"), {"type": "path", "value": "a/b"}),
        (AssetKey(["a", "b"]), {"type": "asset", "value": "a/b"}),
        (np.int64(3), {"type": "int", "value": 3}),
        (np.bool_(True), {"type": "bool", "value": True}),
        (np.array([1.0, np.nan]), {"type": "json", "value": [1.0, None]}),
        ({"n": np.int32(3)}, {"type": "json", "value": {"n": 3}}),
        (MetadataValue.md("# x"), {"type": "md", "value": "# x"}),
        (MetadataValue.url("u"), {"type": "url", "value": "u"}),
        (MetadataValue.notebook("n"), {"type": "notebook", "value": "n"}),
        (MetadataValue.float(1), {"type": "float", "value": 1.0}),
        (MetadataValue.timestamp(1.5), {"type": "timestamp", "value": 1.5}),
        (
            MetadataValue.timestamp(datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
            {"type": "timestamp", "value": 60.0},
        ),
        (MetadataValue.dagster_run("r"), {"type": "run", "value": "r"}),
        (MetadataValue.asset("a/b"), {"type": "asset", "value": "a/b"}),
        (MetadataValue.job("j"), {"type": "job", "value": "j"}),
        (MetadataValue.pool("p"), {"type": "pool", "value": "p"}),
        (MetadataValue.null(), {"type": "null", "value": None}),
        (
            MetadataValue.python_artifact(Path),
            {"type": "python_artifact", "value": "pathlib.Path"},
        ),
    ],
)
def test_raw_and_typed_values_have_one_stored_form(raw: Any, stored: Any) -> None:
    assert metadata_json({"name": raw}) == {"name": stored}


def test_tables_carry_records_and_schema() -> None:
    schema = TableSchema([TableColumn("a", "int", description="number")])
    table = MetadataValue.table([TableRecord({"a": 1}), {"a": float("nan")}], schema)

    stored = metadata_json({"t": table, "s": schema, "guessed": MetadataValue.table([{"a": 1}])})

    assert stored["t"]["value"]["records"] == [{"a": 1}, {"a": None}]
    assert stored["t"]["value"]["schema"]["columns"][0]["description"] == "number"
    assert stored["s"]["type"] == "table_schema"
    assert stored["guessed"]["value"]["schema"]["columns"][0]["type"] == "int"


def test_column_lineage_names_asset_and_column() -> None:
    lineage = TableColumnLineage({"total": [TableColumnDep("raw", "amount")]})

    stored = metadata_json({"l": lineage})["l"]

    assert stored == {
        "type": "column_lineage",
        "value": {"total": [{"asset": "raw", "column": "amount"}]},
    }


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"x", {"a": object()}, [{1}], datetime(2024, 1, 1)]
)
def test_a_value_without_a_stored_form_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvocationError, match="^Metadata 'name': "):
        normalize_metadata({"name": value})


@pytest.mark.parametrize(
    "make",
    [
        lambda: MetadataValue.int(True),
        lambda: MetadataValue.int("1"),  # type: ignore[arg-type]
        lambda: MetadataValue.text(1),  # type: ignore[arg-type]
        lambda: MetadataValue.bool(1),  # type: ignore[arg-type]
        lambda: MetadataValue.float("x"),  # type: ignore[arg-type]
        lambda: MetadataValue.float(10**400),
        lambda: MetadataValue.timestamp(float("nan")),
        lambda: MetadataValue.timestamp(datetime(2024, 1, 1)),
    ],
)
def test_a_typed_value_of_another_type_is_refused_where_it_is_made(make: Any) -> None:
    with pytest.raises(InvocationError):
        make()


def test_metadata_that_is_no_mapping_of_names_is_refused() -> None:
    with pytest.raises(InvocationError, match="Give a dict"):
        normalize_metadata([1])  # type: ignore[arg-type]
    with pytest.raises(InvocationError, match="name 1 is not text"):
        normalize_metadata({1: "a"})  # type: ignore[dict-item]


def test_json_nested_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = [deep]

    with pytest.raises(InvocationError, match="nested more than 50 deep"):
        MetadataValue.json(deep)


def test_what_is_changed_later_does_not_change_metadata() -> None:
    rows = [1]
    value = MetadataValue.json(rows)
    rows.append(2)

    assert value.value == [1]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    )
)
def test_whatever_is_accepted_is_strict_json(value: Any) -> None:
    stored = metadata_json({"value": value})

    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
