"""A whole job in this process: order, skipping, failing, and what the result answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.execution.ops import one, raw
from tidegate import (
    Config,
    ConfigurableResource,
    EnvVar,
    Failure,
    In,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    RunConfig,
    graph,
    job,
    materialize_to_memory,
    op,
)
from tidegate.errors import (
    ConfigError,
    InvocationError,
    OutputError,
)


@op
def add(left: int, right: int) -> int:
    return left + right


@op
def fail(value: int) -> int:
    raise Failure("no", metadata={"value": value})


def test_a_diamond_gives_each_step_the_values_of_those_upstream() -> None:
    @job
    def diamond() -> Any:
        top = one()
        left, right = add.alias("left")(top, top), add.alias("right")(top, top)
        return add.alias("bottom")(left, right)

    result = diamond.execute_in_process()

    assert result.success
    assert result.output_for_node("left") == 2
    assert result.output_value() == 4
    assert repr(result) == "ExecuteInProcessResult('diamond', SUCCESS, 4 steps)"


def test_a_fan_in_of_a_thousand_gathers_all_values_in_order() -> None:
    @op
    def gather(values: list[int]) -> int:
        return len(values)

    @job
    def wide() -> Any:
        return gather([one.alias(f"one_{number}")() for number in range(1000)])

    assert wide.execute_in_process().output_value() == 1000


def test_the_first_failure_is_raised_as_the_step_raised_it() -> None:
    @job
    def failing() -> None:
        fail(one())

    with pytest.raises(Failure, match="no") as caught:
        failing.execute_in_process()

    assert caught.value.metadata["value"].value == 1


def test_a_failure_stops_what_needs_it_and_nothing_else() -> None:
    @job
    def failing() -> None:
        failed = fail(one())
        add.alias("below")(failed, one.alias("other")())
        add.alias("further")(one.alias("third")(), one.alias("fourth")())

    result = failing.execute_in_process(raise_on_error=False)

    assert not result.success
    assert result.get_failed_step_keys() == {"fail"}
    assert result.is_node_failed("fail")
    assert result.is_node_untouched("below")
    assert result.is_node_success("further")
    failure = result.failure_data_for_node("fail")
    assert failure is not None
    assert failure.metadata == {"value": {"type": "int", "value": 1}}
    assert result.all_events[-1].event_type_value == "RUN_FAILURE"


def test_what_needs_an_output_left_out_is_skipped_and_the_run_succeeds() -> None:
    @op(out={"some": Out(is_required=False), "other": Out(is_required=False)})
    def choose() -> Iterator[Output[int]]:
        yield Output(1, output_name="other")

    @op
    def gather(values: list[int]) -> list[int]:
        return values

    @job
    def choosing() -> None:
        some, other = choose()
        gather.alias("none")([add.alias("skipped")(some, other)])
        gather([some, other])

    result = choosing.execute_in_process()

    assert result.success
    assert result.is_node_skipped("skipped")
    assert result.is_node_skipped("none")
    assert result.output_for_node("gather") == [1]
    assert [one.event_type_value for one in result.events_for_node("skipped")] == ["STEP_SKIPPED"]


def test_order_only_dependencies_are_waited_for() -> None:
    done = []

    @op
    def first() -> None:
        done.append("first")

    @op(ins={"after": In(Nothing)})
    def second() -> None:
        done.append("second")

    @job
    def ordered() -> None:
        second(after=first())

    ordered.execute_in_process()

    assert done == ["first", "second"]


def test_a_nested_graph_has_dotted_steps_and_its_output_is_that_of_its_op() -> None:
    @graph
    def inner() -> Any:
        return add(one(), one.alias("two")())

    @job
    def outer() -> Any:
        return {"sum": inner()}

    result = outer.execute_in_process()

    assert result.output_for_node("inner.add") == 2
    assert result.output_value("sum") == 2


def test_a_graph_is_run_with_values_for_its_inputs() -> None:
    @graph
    def sums(left: int, right: int) -> Any:
        return add(left, right)

    assert sums.execute_in_process(input_values={"left": 2, "right": 3}).output_value() == 5


def test_resources_are_set_up_once_for_the_run_and_torn_down_in_the_reverse_order() -> None:
    said = []

    class Named(ConfigurableResource):
        name: str

        def setup_for_execution(self, context: Any) -> None:
            said.append(f"{self.name} up")

        def teardown_after_execution(self, context: Any) -> None:
            said.append(f"{self.name} down")

    @op(required_resource_keys={"a"})
    def uses_a() -> None:
        said.append("step")

    @op(required_resource_keys={"a", "b"})
    def uses_both() -> None:
        said.append("step")

    @job(resource_defs={"a": Named(name="a"), "b": Named(name="b"), "unused": Named(name="unused")})
    def using() -> None:
        uses_a()
        uses_both()

    using.execute_in_process()

    assert said == ["a up", "step", "b up", "step", "b down", "a down"]


def test_resources_given_take_the_place_of_those_declared() -> None:
    @op(required_resource_keys={"a"})
    def use(context: OpExecutionContext) -> int:
        return int(context.resources.a)

    @job(resource_defs={"a": 1})
    def using() -> Any:
        return use()

    assert using.execute_in_process(resources={"a": 2}).output_value() == 2


def test_tags_config_and_run_id_are_those_given() -> None:
    class Load(Config):
        rows: int = 1

    @op
    def load(context: OpExecutionContext, config: Load) -> list[Any]:
        return [context.run_id, dict(context.run_tags), config.rows]

    @job(tags={"team": "data"}, config=RunConfig(ops={"load": Load(rows=2)}))
    def loading() -> Any:
        return load()

    own = loading.execute_in_process(run_id="r9", tags={"dagster/priority": "3"})
    other = loading.execute_in_process(run_config=RunConfig(ops={"load": Load(rows=3)}))

    assert own.output_value() == ["r9", {"team": "data", "tidegate/priority": "3"}, 2]
    assert other.output_value()[2] == 3


def test_config_reads_the_environment_when_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Load(Config):
        url: str

    @op
    def load(config: Load) -> str:
        return config.url

    @job(config=RunConfig(ops={"load": Load(url=EnvVar("LOAD_URL"))}))
    def loading() -> Any:
        return load()

    with pytest.raises(ConfigError, match=r"LOAD_URL is not set; ops\.load\.config needs it"):
        loading.execute_in_process()
    monkeypatch.setenv("LOAD_URL", "u")

    assert loading.execute_in_process().output_value() == "u"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"ops": {"onee": {"config": {}}}},
            "Run config has ops.onee, and there is no such step in this run. Did you mean 'one'?",
        ),
        ({"resources": {"db": {}}}, "Run config has resources.db, and there is no such resource"),
        ({"ops": {"one": 3}}, "Run config has ops.one = 3."),
        (
            {"ops": {"one": {"rows": 3}}},
            "Run config has 'rows' in ops.one. Put it into ops.one.config.",
        ),
        (
            {"ops": {"one": {"config": {"rows": 3}}}},
            "ops.one.config is given, and nothing takes it.",
        ),
    ],
)
def test_run_config_that_fits_nothing_is_an_error_that_names_it(config: Any, message: str) -> None:
    @job
    def small() -> None:
        one()

    with pytest.raises(ConfigError) as caught:
        small.execute_in_process(run_config=config)

    assert str(caught.value).startswith(message)


def test_an_interrupt_stops_the_run_even_when_failures_do_not() -> None:
    @op
    def interrupted() -> int:
        raise KeyboardInterrupt

    @job
    def stopping() -> None:
        interrupted()

    with pytest.raises(KeyboardInterrupt):
        stopping.execute_in_process(raise_on_error=False)


def test_what_the_result_does_not_have_is_an_error_that_says_what_there_is() -> None:
    result = materialize_to_memory([raw])

    with pytest.raises(InvocationError, match=r"no step 'row'\. Did you mean 'raw'\? Steps: raw"):
        result.output_for_node("row")
    with pytest.raises(OutputError, match=r"Step 'raw' \(SUCCESS\) has no value for output 'x'"):
        result.output_for_node("raw", "x")
    with pytest.raises(OutputError, match="no value of asset 'total'"):
        result.asset_value("total")
    with pytest.raises(InvocationError, match="returns no output 'result'"):
        result.output_value()


def test_what_steps_logged_is_in_the_result() -> None:
    @op
    def talking(context: OpExecutionContext) -> None:
        context.log.warning("careful")

    @job
    def talk() -> None:
        talking()

    assert talk.execute_in_process().logs_for_node("talking") == ["WARNING careful"]
