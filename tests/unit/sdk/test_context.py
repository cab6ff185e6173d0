"""Contexts that are made for tests of ops and assets."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import (
    AssetExecutionContext,
    AssetKey,
    AssetOut,
    Config,
    DailyPartitionsDefinition,
    OpExecutionContext,
    Out,
    asset,
    build_asset_context,
    build_op_context,
    multi_asset,
    op,
)
from tidegate.errors import DefinitionError, InvocationError


class Load(Config):
    rows: int = 1


def test_an_op_is_called_with_config_resources_partition_and_tags() -> None:
    @op(required_resource_keys={"base"})
    def load(context: OpExecutionContext, config: Load) -> list[Any]:
        return [config.rows, context.resources.base, context.partition_key, context.get_tag("a")]

    context = build_op_context(
        resources={"base": 5}, op_config={"rows": 3}, partition_key="p", run_tags={"a": "b"}
    )

    assert load(context) == [3, 5, "p", "b"]
    assert (
        load(build_op_context(config=Load(rows=4), resources={"base": 1}, partition_key="p"))[0]
        == 4
    )


def test_both_forms_of_config_at_once_are_refused() -> None:
    with pytest.raises(InvocationError, match="Both op_config and config are given"):
        build_op_context(op_config={}, config=Load())


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(DefinitionError, match="build_asset_context has no argument 'partition'"):
        build_asset_context(partition="p")  # type: ignore[call-arg]


def test_metadata_said_in_a_call_is_found_in_the_context() -> None:
    @asset
    def rows(context: AssetExecutionContext) -> int:
        context.add_output_metadata({"rows": 3})
        context.add_asset_metadata({"more": "x"})
        return 3

    context = build_asset_context()

    assert rows(context) == 3
    assert context.get_output_metadata("result") == {"rows": 3, "more": "x"}


def test_an_asset_knows_its_key_and_its_partition_in_time() -> None:
    @asset(key=["raw", "rows"], partitions_def=DailyPartitionsDefinition("2024-01-01"))
    def rows(context: AssetExecutionContext) -> list[Any]:
        return [context.asset_key, context.partition_time_window.end.isoformat()]

    context = build_asset_context(partition_key="2024-02-01")

    assert rows(context) == [AssetKey(["raw", "rows"]), "2024-02-02T00:00:00+00:00"]


def test_of_several_outputs_one_must_be_named() -> None:
    @op(out={"a": Out(), "b": Out()})
    def two(context: OpExecutionContext) -> tuple[int, int]:
        context.add_output_metadata({"x": 1})
        return 1, 2

    with pytest.raises(
        InvocationError, match=r"has several outputs\. Give output_name, one of: a, b"
    ):
        two(build_op_context())


def test_an_output_that_is_not_there_is_refused() -> None:
    @op
    def one(context: OpExecutionContext) -> int:
        context.add_output_metadata({"x": 1}, output_name="other")
        return 1

    with pytest.raises(InvocationError, match="has no output 'other' in this run. Outputs: result"):
        one(build_op_context())


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.partition_key, "The run has no partition"),
        (lambda c: c.partition_time_window, "is not partitioned by time"),
        (lambda c: c.asset_key, "makes no assets"),
        (lambda c: c.asset_key_for_input("x"), "Input 'x' of 'test' is not an asset"),
        (lambda c: c.asset_key_for_output("x"), "has no output 'x'"),
        (lambda c: c.add_asset_metadata({}, "a"), "does not make the asset 'a'"),
        (lambda c: c.log_event("text"), "log_event was given a str"),
        (lambda c: c.add_output_metadata({"x": object()}), "Metadata 'x'"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_so(ask: Any, message: str) -> None:
    with pytest.raises(InvocationError, match=message):
        ask(build_op_context())


def test_of_several_assets_there_is_no_the_asset() -> None:
    @multi_asset(outs={"a": AssetOut(), "b": AssetOut()})
    def both(context: AssetExecutionContext) -> Any:
        assert context.selected_asset_keys == {AssetKey("a"), AssetKey("b")}
        assert context.asset_key_for_output("b") == AssetKey("b")
        return context.asset_key

    with pytest.raises(InvocationError, match="makes 2 assets"):
        both(build_asset_context())


def test_a_missing_resource_is_an_attribute_error_for_code_that_asks_carefully() -> None:
    context = build_op_context(resources={"a": 1})

    assert getattr(context.resources, "b", "default") == "default"
    assert not hasattr(context.resources, "b")
