"""IO managers and the contexts they are called with."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import (
    InitResourceContext,
    InMemoryIOManager,
    IOManager,
    IOManagerDefinition,
    asset,
    build_input_context,
    build_output_context,
    io_manager,
    materialize,
)
from tidegate.errors import DefinitionError, InvocationError


class Keeping(IOManager):
    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.kept: dict[str, Any] = {}

    def handle_output(self, context: Any, obj: Any) -> None:
        self.kept[self.prefix + "/".join(context.get_identifier())] = obj

    def load_input(self, context: Any) -> Any:
        return self.kept[self.prefix + "/".join(context.get_identifier())]


def test_an_output_that_is_no_asset_is_identified_by_run_step_and_name() -> None:
    output = build_output_context(run_id="r", step_key="s", name="n")
    given = build_input_context(upstream_output=output, name="argument")

    assert output.get_identifier() == given.get_identifier() == ["r", "s", "n"]
    assert not output.has_asset_key
    with pytest.raises(InvocationError, match="'n' of step 's' is not an asset"):
        _ = output.asset_key


def test_an_asset_is_identified_by_key_and_partition() -> None:
    output = build_output_context(asset_key=["a", "b"], partition_key="de")
    given = build_input_context(upstream_output=output)

    assert output.get_identifier() == given.get_identifier() == ["a", "b", "de"]
    assert given.get_asset_identifier() == ["a", "b", "de"]
    assert (given.asset_partition_key, given.asset_partition_keys) == ("de", ["de"])
    assert (given.has_partition_key, given.partition_key) == (True, "de")


def test_what_has_no_partition_says_so() -> None:
    output = build_output_context(asset_key="a")

    assert output.get_identifier() == ["a"]
    assert not output.has_asset_partitions
    with pytest.raises(InvocationError, match="has no partitions"):
        _ = output.asset_partition_key
    with pytest.raises(InvocationError, match="The run has no partition"):
        _ = output.partition_key


def test_metadata_of_the_declaration_and_of_the_value_are_apart() -> None:
    output = build_output_context(definition_metadata={"a": 1}, output_metadata={"b": 2})

    output.add_output_metadata({"c": 3})

    assert output.metadata == output.definition_metadata == {"a": 1}
    assert output.output_metadata["b"].value == 2
    assert output.get_logged_metadata()["c"].value == 3
    with pytest.raises(InvocationError, match="has metadata 'c' twice"):
        output.add_output_metadata({"c": 4})


def test_the_annotation_is_the_type() -> None:
    assert build_output_context(dagster_type=int).dagster_type.typing_type is int
    assert build_output_context(dagster_type=None).dagster_type.is_nothing
    assert not build_output_context().dagster_type.is_nothing


def test_an_unknown_argument_of_a_builder_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"has no argument 'step' .*Did you mean 'step_key'\?"
    ):
        build_output_context(step="x")  # type: ignore[call-arg]


def test_a_manager_may_be_made_by_a_function_with_config_and_resources() -> None:
    made = []

    @io_manager(config_schema={"prefix": str}, required_resource_keys={"base"})
    def keeping(context: InitResourceContext) -> Keeping:
        made.append(Keeping(context.resource_config["prefix"] + context.resources.base))
        return made[-1]

    @asset
    def one() -> int:
        return 1

    materialize(
        [one],
        resources={"io_manager": keeping, "base": "-"},
        run_config={"resources": {"io_manager": {"config": {"prefix": "p"}}}},
    )

    assert [manager.kept for manager in made] == [{"p-one": 1}]


def test_a_context_shows_a_manager_its_config_and_resources() -> None:
    seen = []

    class Showing(Keeping):
        def handle_output(self, context: Any, obj: Any) -> None:
            seen.append((context.resource_config, context.resources.base))

    @io_manager(config_schema={"prefix": str}, required_resource_keys={"base"})
    def showing(context: InitResourceContext) -> Showing:
        return Showing()

    @asset
    def one() -> int:
        return 1

    materialize(
        [one],
        resources={"io_manager": showing.configured({"prefix": "p"}), "base": 5},
    )

    assert seen == [({"prefix": "p"}, 5)]


def test_a_hardcoded_manager_is_that_manager() -> None:
    manager = InMemoryIOManager()

    @asset
    def one() -> int:
        return 1

    materialize([one], resources={"io_manager": IOManagerDefinition.hardcoded_io_manager(manager)})

    assert manager.values == {"assets/one/_": 1}


def test_a_resource_that_is_no_manager_is_refused_in_the_run() -> None:
    @io_manager
    def wrong() -> int:
        return 3

    @asset
    def one() -> int:
        return 1

    with pytest.raises(InvocationError, match="Resource 'io_manager' is no IO manager but int"):
        materialize([one], resources={"io_manager": wrong})
