"""Resources that a step is given."""

from __future__ import annotations

from typing import Any

from tidegate import (
    AssetExecutionContext,
    ConfigurableResource,
    ResourceParam,
    asset,
)


def test_resources_are_parameters_and_attributes_of_the_context(attempt: Any) -> None:
    class Base(ConfigurableResource):
        url: str

    @asset(required_resource_keys={"plain"})
    def read(context: AssetExecutionContext, base: Base, client: ResourceParam[Any]) -> list[Any]:
        return [base.url, client, context.resources.plain, context.resources.base.url]

    values = attempt(read, resources={"base": Base(url="u"), "client": 5, "plain": "p"}).values

    assert values == {"result": ["u", 5, "p", "u"]}


def test_a_resource_that_was_not_asked_for_is_an_error_that_says_how_to_ask(attempt: Any) -> None:
    @asset
    def read(context: AssetExecutionContext) -> int:
        return int(context.resources.database)

    failure = attempt(read, resources={"database": 1}).report.failure

    assert failure.message == (
        "Step 'read' was not given the resource 'database'. "
        "Name it in required_resource_keys, or take it as a parameter."
    )


def test_resources_are_torn_down_after_a_failure_too(attempt: Any) -> None:
    ended = []

    class Base(ConfigurableResource):
        def teardown_after_execution(self, context: Any) -> None:
            ended.append(True)

    @asset
    def read(base: Base) -> int:
        raise ValueError

    attempt(read, resources={"base": Base()})

    assert ended == [True]


def test_a_resource_that_cannot_be_set_up_fails_the_step(attempt: Any) -> None:
    class Base(ConfigurableResource):
        def setup_for_execution(self, context: Any) -> None:
            raise ConnectionError("no route")

    @asset
    def read(base: Base) -> int:
        raise AssertionError

    failure = attempt(read, resources={"base": Base()}).report.failure

    assert (failure.error, failure.message) == ("ConnectionError", "no route")


def test_a_resource_that_cannot_be_torn_down_is_logged_and_fails_nothing(attempt: Any) -> None:
    class Base(ConfigurableResource):
        def teardown_after_execution(self, context: Any) -> None:
            raise ConnectionError("gone")

    @asset
    def read(base: Base) -> int:
        return 1

    report = attempt(read, resources={"base": Base()}).report

    assert report.failure is None
    assert "Resource 'base' could not be torn down." in report.logs[-1].message
