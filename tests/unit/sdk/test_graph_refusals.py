"""Bodies that cannot be a graph are refused where they are written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sdk.ops import add, one, total, two
from tidegate import (
    DefinitionError,
    Definitions,
    GraphOut,
    InvocationError,
    graph,
    job,
    op,
)


def test_an_input_without_any_value_is_refused_when_the_job_is_listed_or_run() -> None:
    @job
    def lacking() -> None:
        add()

    with pytest.raises(DefinitionError, match="Input 'a' of step 'add' in job 'lacking'"):
        Definitions(jobs=[lacking])
    with pytest.raises(InvocationError, match="has no value"):
        lacking.step_definitions()


def test_a_job_without_steps_is_refused() -> None:
    @job
    def empty() -> None: ...

    with pytest.raises(
        DefinitionError, match=r"Job 'empty' \(.*test_graph_refusals.py:\d+\) calls no op"
    ):
        Definitions(jobs=[empty])


def refused_bodies() -> list[tuple[Any, str]]:
    def value_used() -> None:
        if one():
            one()

    def iterated() -> None:
        _ = [add(x) for x in one()]

    def indexed() -> None:
        add(one()[0])

    def constant() -> None:
        add(3)

    def all_outputs() -> None:
        add(two())

    def unknown_input() -> None:
        add(c=one())

    def too_many() -> None:
        add(one(), one(), one())

    def twice() -> None:
        add(one(), a=one())

    def same_alias() -> None:
        one.alias("x")()
        one.alias("x")()

    def list_in_list() -> None:
        total([[one()]])

    def bad_return() -> Any:
        return 3

    return [
        (value_used, "is used as a value"),
        (iterated, "is used as a value"),
        (indexed, "is used as a value"),
        (constant, "got 3"),
        (all_outputs, "all outputs of 'two'"),
        (unknown_input, "has no input 'c'"),
        (too_many, "got 3 inputs and has 2"),
        (twice, "got input 'a' twice"),
        (same_alias, "There are two 'x'"),
        (list_in_list, "got [InvokedOutput"),
        (bad_return, "returns 3 as 'result'"),
    ]


@pytest.mark.parametrize(
    ("body", "said"), refused_bodies(), ids=lambda one: getattr(one, "__name__", "")
)
def test_a_body_that_cannot_be_a_graph_is_refused(body: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        job(body)

    assert said in str(refused.value)
    assert "test_graph_refusals.py:" in str(refused.value)
    assert refused.value.mend


def test_two_ops_of_one_name_in_a_graph_need_an_alias() -> None:
    @op(name="one")
    def other() -> int:
        return 2

    with pytest.raises(DefinitionError, match="There are two 'one'"):

        @job
        def mixed() -> None:
            one()
            other()


def test_an_output_of_another_graph_is_refused() -> None:
    kept = []

    @job
    def first() -> None:
        kept.append(one())

    with pytest.raises(DefinitionError, match="an output of another graph"):

        @job
        def second() -> None:
            add(kept[0])


def test_a_graph_is_called_in_a_graph_only() -> None:
    @graph
    def inner() -> Any:
        return one()

    with pytest.raises(DefinitionError, match="outside of a graph"):
        inner()
    with pytest.raises(DefinitionError, match="outside of a graph"):
        one.alias("x")()


def test_a_body_that_fails_leaves_no_graph_open() -> None:
    def broken() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        job(broken)

    assert one() == 1


def test_a_graph_without_the_declared_output_is_refused() -> None:
    with pytest.raises(DefinitionError, match="declares the outputs result and returns none"):

        @graph(out=GraphOut())
        def wrong() -> None:
            one()


def test_a_job_called_in_a_job_is_refused() -> None:
    @job
    def inner() -> None:
        one()

    with pytest.raises(DefinitionError, match="is no op"):

        @job
        def outer() -> None:
            inner()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"config": 3}, "has config=3"),
        ({"config": {"solids": {}}}, "section 'solids'"),
        ({"config": {"ops": {"one": {"config": {"a": {1}}}}}}, "config that JSON cannot hold"),
        ({"config": {"ops": {"one": {"config": float("nan")}}}}, "config that JSON cannot hold"),
        ({"config": {"execution": {"config": {"max_concurrent": "4"}}}}, "max_concurrent='4'"),
        ({"op_retry_policy": 3}, "op_retry_policy=3"),
        ({"partitions_def": "daily"}, "partitions_def='daily'"),
        ({"input_values": {"x": 1}}, "input_values for 'x'"),
        ({"name": "a b"}, "has the name 'a b'"),
        ({"tags": 3}, "has tags=3"),
        ({"executor_def": 3}, "has executor_def=3"),
    ],
)
def test_an_argument_of_a_job_that_makes_no_sense_is_refused(
    arguments: dict[str, Any], said: str
) -> None:
    def body() -> None:
        one()

    with pytest.raises(DefinitionError) as refused:
        job(**arguments)(body)

    assert said in str(refused.value)
