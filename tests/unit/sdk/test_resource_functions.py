"""Functions that make resources: their config, what they need, and what is done when they go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.sdk.resources import Database, scope
from tidegate import (
    EnvVar,
    InitResourceContext,
    ResourceDefinition,
    build_init_resource_context,
    build_op_context,
    op,
    resource,
)
from tidegate.errors import ConfigError, DefinitionError, InvocationError
from tidegate.execution.resources import ResourceScope


def test_a_function_is_called_with_its_config_and_what_it_needs() -> None:
    @resource(config_schema={"rows": int}, required_resource_keys={"base"})
    def made(context: InitResourceContext) -> list[Any]:
        return [context.resource_config["rows"], context.resources.base, context.run_id]

    config = {"made": {"config": {"rows": 3}}}
    resources = ResourceScope(
        {"made": made, "base": "b"}, run_config={"resources": config}, run_id="r1"
    )

    assert resources.get("made") == [3, "b", "r1"]
    with pytest.raises(ConfigError, match=r"resources\.made\.config lacks the field 'rows'"):
        scope(made=made, base=1).get("made")
    assert scope(made=made.configured({"rows": 4}), base=1).get("made")[0] == 4


def test_a_generator_goes_on_after_its_yield_at_the_end() -> None:
    said = []

    @resource
    def made() -> Iterator[int]:
        said.append("open")
        yield 1
        said.append("closed")

    with scope(made=made) as resources:
        assert resources.get("made") == 1
        assert said == ["open"]

    assert said == ["open", "closed"]


def test_a_file_that_a_function_returns_is_not_taken_for_a_generator(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_text("a\nb\n")

    @resource
    def opened() -> Any:
        return path.open()

    with scope(opened=opened).get("opened") as file:
        assert file.read() == "a\nb\n"


def test_a_generator_that_yields_nothing_is_an_error() -> None:
    @resource
    def made() -> Iterator[int]:
        yield from ()

    with pytest.raises(DefinitionError, match="yielded nothing"):
        scope(made=made).get("made")


def test_hardcoded_none_and_mock_resources() -> None:
    resources = scope(
        five=ResourceDefinition.hardcoded_resource(5),
        none=ResourceDefinition.none_resource(),
        mock=ResourceDefinition.mock_resource(),
    )

    assert (resources.get("five"), resources.get("none")) == (5, None)
    assert resources.get("mock").anything() is not None


def test_resources_that_need_each_other_are_an_error_that_shows_the_circle() -> None:
    @resource(required_resource_keys={"second"})
    def first(context: Any) -> int:
        return 1

    @resource(required_resource_keys={"first"})
    def second(context: Any) -> int:
        return 2

    with pytest.raises(DefinitionError, match="in a circle: first -> second -> first"):
        scope(first=first, second=second).get("first")


def test_a_resource_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DefinitionError, match="There is no resource 'gone'"):
        scope().get("gone")


def test_what_is_open_is_closed_when_another_cannot_be_opened() -> None:
    said = []

    @resource
    def first() -> Iterator[int]:
        yield 1
        said.append("closed")

    @resource
    def second() -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError), scope(first=first, second=second) as resources:
        resources.get("first")
        resources.get("second")

    assert said == ["closed"]


def test_a_function_is_called_by_hand_with_a_context() -> None:
    @resource(config_schema={"rows": int})
    def made(context: InitResourceContext) -> Any:
        return context.resource_config["rows"] + context.resources.base

    assert made(build_init_resource_context(config={"rows": 3}, resources={"base": 1})) == 4
    with pytest.raises(InvocationError, match="resources is 3"):
        build_init_resource_context(resources=3)  # type: ignore[arg-type]


def test_a_context_for_tests_sets_resources_up_and_tears_them_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("URL", "db://b")

    @op
    def use(database: Database) -> str:
        return database._connection

    with build_op_context(resources={"database": Database(url=EnvVar("URL"))}) as context:
        database = context.resources.database
        assert use(context) == "open to db://b"

    assert database._connection == "closed"
