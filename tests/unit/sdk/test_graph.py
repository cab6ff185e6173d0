"""Graphs and jobs of ops: what their bodies come down to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sdk.ops import add, one, total, two
from tidegate import (
    AssetSpec,
    DailyPartitionsDefinition,
    DefinitionError,
    Definitions,
    GraphOut,
    In,
    InvocationError,
    JobDefinition,
    Nothing,
    RetryPolicy,
    graph,
    job,
    op,
)
from tidegate.sdk.step import StepDefinition


@op(ins={"start": In(Nothing)})
def after() -> None: ...


def by_key(job_def: JobDefinition) -> dict[str, StepDefinition]:
    return {step.key: step for step in job_def.step_definitions()}


def sources(step: StepDefinition) -> dict[str, Any]:
    return {one.name: one.sources for one in step.inputs}


def test_calls_in_the_body_become_steps_in_their_order() -> None:
    @job
    def chain() -> None:
        add(add(one()), b=one())

    steps = chain.step_definitions()

    assert [step.key for step in steps] == ["one", "add", "one_2", "add_2"]
    assert sources(steps[3]) == {"a": (("add", "result"),), "b": (("one_2", "result"),)}


def test_the_same_op_may_be_called_under_other_names() -> None:
    @job
    def named() -> None:
        add.alias("plus")(one.alias("start")())

    assert sources(by_key(named)["plus"])["a"] == (("start", "result"),)
    assert by_key(named)["plus"].name == "add"


def test_a_list_is_a_fan_in_in_its_order() -> None:
    @job
    def wide() -> None:
        left, right = two()
        total([right, one(), left])

    gathered = by_key(wide)["total"].inputs[0]

    assert gathered.fan_in
    assert gathered.sources == (("two", "right"), ("one", "result"), ("two", "left"))


def test_an_empty_list_is_an_empty_fan_in() -> None:
    @job
    def wide() -> None:
        total([])

    gathered = by_key(wide)["total"].inputs[0]

    assert (gathered.fan_in, gathered.sources, gathered.default) == (True, (), [])


def test_a_fan_in_of_a_thousand_keeps_its_order() -> None:
    @job
    def wide() -> None:
        total([add(one()) for _ in range(1000)])

    steps = wide.step_definitions()

    assert len(steps) == 2001
    assert [key for key, _ in steps[-1].inputs[0].sources] == [
        "add",
        *(f"add_{number}" for number in range(2, 1001)),
    ]


def test_outputs_are_taken_by_name_or_place() -> None:
    @job
    def parts() -> None:
        made = two()
        add(made.left, made[1])

    assert sources(by_key(parts)["add"]) == {"a": (("two", "left"),), "b": (("two", "right"),)}


def test_order_only_inputs_load_nothing() -> None:
    @job
    def ordered() -> None:
        after(start=[one(), one()])

    waits = by_key(ordered)["after"].inputs[0]

    assert not waits.loads
    assert waits.sources == (("one", "result"), ("one_2", "result"))


def test_tags_and_retries_of_a_call_win_over_those_of_the_op() -> None:
    slow, quick = RetryPolicy(max_retries=5), RetryPolicy(max_retries=1)

    @op(pool="db", slots=3, tags={"team": "a", "dagster/priority": 1}, retry_policy=slow)
    def work() -> None: ...

    @job(op_retry_policy=slow)
    def tagged() -> None:
        work()
        work.tag({"team": "b", "dagster/priority": "7"}).alias("more")()
        work.tag({"dagster/concurrency_key": "api"}).with_retry_policy(quick).alias("other")()
        one()

    steps = by_key(tagged)

    assert steps["more"].tags == {"team": "b", "tidegate/priority": "7"}
    assert (steps["more"].priority, steps["more"].pools) == (7, {"db": 3})
    assert (steps["other"].pools, steps["other"].retry_policy) == ({"api": 1}, quick)
    assert (steps["work"].retry_policy, steps["one"].retry_policy) == (slow, slow)


def test_nested_graphs_are_flattened_with_dotted_keys() -> None:
    @graph
    def inner(x: int) -> Any:
        return add(x, add(x))

    @graph(out={"sum": GraphOut(), "raw": GraphOut()})
    def outer() -> Any:
        start = one()
        return {"sum": inner(start), "raw": inner.alias("again")(start)}

    @job
    def nested() -> None:
        made = outer()
        add(made.sum, made.raw)

    steps = by_key(nested)

    assert list(steps) == [
        "outer.one",
        "outer.inner.add",
        "outer.inner.add_2",
        "outer.again.add",
        "outer.again.add_2",
        "add",
    ]
    assert sources(steps["outer.inner.add_2"]) == {
        "a": (("outer.one", "result"),),
        "b": (("outer.inner.add", "result"),),
    }
    assert sources(steps["add"]) == {
        "a": (("outer.inner.add_2", "result"),),
        "b": (("outer.again.add_2", "result"),),
    }


def test_a_fan_in_may_pass_through_an_input_of_a_graph() -> None:
    @graph
    def inner(xs: list[int]) -> Any:
        return total(xs)

    @job
    def nested() -> None:
        inner([one(), one()])

    gathered = by_key(nested)["inner.total"].inputs[0]

    assert gathered.fan_in
    assert gathered.sources == (("one", "result"), ("one_2", "result"))


def test_one_output_may_feed_many_inputs_of_nested_graphs_with_defaults() -> None:
    @graph
    def inner(a: int, b: int = 5) -> Any:
        return add(a, b)

    @job
    def nested() -> None:
        inner(one())

    assert by_key(nested)["inner.add"].inputs[1].default == 5


def test_input_values_stand_for_inputs_of_the_job() -> None:
    @graph
    def sums(a: int, b: int) -> Any:
        return add(a, b)

    bound = sums.to_job(name="bound", input_values={"a": 1}).with_input_values({"b": 4})

    assert [one.default for one in bound.step_definitions()[0].inputs] == [1, 4]
    with pytest.raises(InvocationError, match="has no input 'c'"):
        bound.with_input_values({"c": 1})


def test_an_op_may_load_an_asset() -> None:
    spec = AssetSpec(
        "raw", metadata={"rows": 1}, partitions_def=DailyPartitionsDefinition("2024-01-01")
    )

    @job
    def loading() -> None:
        add(spec)

    defs = Definitions(assets=[spec], jobs=[loading])
    loaded = defs.resolve_job_def("loading").step_definitions()[0].inputs[0]

    assert (str(loaded.asset_key), loaded.sources) == ("raw", ())
    assert loaded.upstream is not None
    assert loaded.upstream.metadata == {"rows": 1}
    assert loaded.partitions_def == spec.partitions_def
    with pytest.raises(DefinitionError, match=r"upstream asset 'raw' \(input 'a'\)"):
        Definitions(jobs=[loading])


def test_partitions_and_config_of_a_job_reach_it() -> None:
    days = DailyPartitionsDefinition("2024-01-01")

    @job(
        partitions_def=days,
        config={
            "ops": {"one": {"config": {"x": 1}}},
            "execution": {"config": {"max_concurrent": 4}},
        },
        tags={"dagster/priority": 3},
        description="Daily.",
    )
    def daily() -> None:
        one()

    assert daily.partitions_def is days
    assert daily.step_definitions()[0].partitions_def is days
    assert daily.max_concurrent == 4
    assert daily.tags == {"tidegate/priority": "3"}
    assert daily.description == "Daily."


def test_run_tags_replace_tags_on_runs() -> None:
    @job(tags={"team": "a"}, run_tags={"cost": "b"})
    def tagged() -> None:
        one()

    assert tagged.tags == {"cost": "b"}


def test_a_graph_or_job_runs_in_this_process_with_values_for_its_inputs() -> None:
    @graph
    def sums(a: int) -> Any:
        return add(a, one())

    @job
    def whole(a: int = 5) -> None:
        add(a, one())

    assert sums.execute_in_process(input_values={"a": 4}).output_value() == 5
    assert whole.execute_in_process().output_for_node("add") == 6
    assert whole.execute_in_process(input_values={"a": 9}).output_for_node("add") == 10


def test_declared_outputs_are_those_returned() -> None:
    with pytest.raises(DefinitionError, match="declares the outputs a and returns b"):

        @graph(out={"a": GraphOut()})
        def wrong() -> Any:
            return {"b": one()}
