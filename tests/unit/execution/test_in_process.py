"""A whole job in this process: order, skipping, failing, and what the result answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegate import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSelection,
    AssetSpec,
    Backoff,
    Config,
    ConfigurableResource,
    DailyPartitionsDefinition,
    Definitions,
    EnvVar,
    Failure,
    FilesystemIOManager,
    In,
    InMemoryIOManager,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    RetryPolicy,
    RetryRequested,
    RunConfig,
    StaticPartitionsDefinition,
    asset,
    define_asset_job,
    graph,
    job,
    materialize,
    materialize_to_memory,
    op,
)
from tidegate.domain.task import Invocation
from tidegate.errors import (
    ConfigError,
    DefinitionError,
    InvocationError,
    OutputError,
    UnknownAssetError,
    UnknownPartitionError,
)
from tidegate.execution.attempts import run_attempts
from tidegate.execution.step import Surroundings


@op
def one() -> int:
    return 1


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


# Assets


@asset
def raw() -> list[int]:
    return [1, 2]


@asset
def total(context: AssetExecutionContext, raw: list[int]) -> Output[int]:
    return Output(sum(raw), metadata={"rows": len(raw)})


def test_assets_are_materialized_upstream_first_with_their_metadata() -> None:
    result = materialize([total, raw])

    assert result.asset_value("total") == 3
    events = result.get_asset_materialization_events()
    assert [one.asset_key for one in events] == [AssetKey("raw"), AssetKey("total")]
    assert events[1].materialization.metadata["rows"].value == 2
    assert [one.asset_key for one in result.asset_materializations_for_node("raw")] == [
        AssetKey("raw")
    ]


def test_materialize_stores_files_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))

    materialize([raw])
    result = materialize([raw, total], selection=[total])

    assert (tmp_path / "storage/assets/raw/_.json").read_text() == "[1,2]"
    assert result.asset_value("total") == 3


def test_materialize_without_a_place_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.delenv("TIDEGATE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    materialize([raw, total])

    assert list(tmp_path.iterdir()) == []


def test_materialize_uses_the_manager_given(tmp_path: Path) -> None:
    materialize([raw], resources={"io_manager": FilesystemIOManager(tmp_path)})

    assert (tmp_path / "assets/raw/_.json").exists()


def test_in_memory_no_manager_of_an_asset_is_used() -> None:
    @asset(io_manager_key="warehouse")
    def stored() -> object:
        return object()

    result = materialize_to_memory([stored])

    assert result.success


def test_selection_may_be_text_keys_or_a_selection() -> None:
    memory = {"io_manager": InMemoryIOManager()}
    materialize([raw], resources=memory)

    for selection in ("total", ["total"], [total], AssetSelection.assets("total")):
        result = materialize([raw, total], selection=selection, resources=memory)

        assert [str(one.asset_key) for one in result.get_asset_materialization_events()] == [
            "total"
        ]


def test_external_assets_are_not_made() -> None:
    @asset(deps=["outside"])
    def inside() -> int:
        return 1

    result = materialize([AssetSpec("outside"), inside])

    assert [str(one.asset_key) for one in result.get_asset_materialization_events()] == ["inside"]
    with pytest.raises(InvocationError, match="There is no asset to make"):
        materialize([AssetSpec("outside")])


def test_a_job_of_assets_runs_its_selection_or_less() -> None:
    defs = Definitions(assets=[raw, total], jobs=[define_asset_job("both")])
    both = defs.resolve_job_def("both")

    assert both.execute_in_process().asset_value("total") == 3
    assert both.execute_in_process(asset_selection=["raw"]).is_node_success("raw")
    with pytest.raises(UnknownAssetError, match="'gone'"):
        both.execute_in_process(asset_selection=["gone"])


def test_a_partition_is_checked_before_anything_runs() -> None:
    ran = []

    @asset(partitions_def=StaticPartitionsDefinition(["de", "fr"]))
    def by_country(context: AssetExecutionContext) -> str:
        ran.append(context.partition_key)
        return context.partition_key

    assert materialize([by_country], partition_key="de").asset_value("by_country") == "de"
    with pytest.raises(
        UnknownPartitionError, match="There is no partition 'dee'. Did you mean 'de'?"
    ):
        materialize([by_country], partition_key="dee")
    with pytest.raises(InvocationError, match="is partitioned. Give partition_key"):
        materialize([by_country])
    with pytest.raises(UnknownPartitionError, match="has no partitions, and was given 'de'"):
        materialize([raw], partition_key="de")
    assert ran == ["de"]


def test_assets_of_different_partitions_do_not_run_together() -> None:
    @asset(partitions_def=StaticPartitionsDefinition(["de"]))
    def by_country() -> int:
        return 1

    @asset(partitions_def=DailyPartitionsDefinition("2024-01-01"))
    def by_day() -> int:
        return 1

    with pytest.raises(InvocationError, match="assets of different partitions"):
        materialize([by_country, by_day], partition_key="de")


def test_what_is_wrong_with_definitions_is_found_before_anything_runs() -> None:
    with pytest.raises(DefinitionError, match="upstream asset 'raw'"):
        materialize([total])


def test_an_interrupt_stops_the_run_even_when_failures_do_not() -> None:
    @op
    def interrupted() -> int:
        raise KeyboardInterrupt

    @job
    def stopping() -> None:
        interrupted()

    with pytest.raises(KeyboardInterrupt):
        stopping.execute_in_process(raise_on_error=False)


def test_materializations_of_other_assets_are_in_the_result() -> None:
    @op
    def load() -> Iterator[Any]:
        yield AssetMaterialization("elsewhere")
        yield Output(1)

    @job
    def loading() -> None:
        load()

    result = loading.execute_in_process()

    assert [one.asset_key for one in result.asset_materializations_for_node("load")] == [
        AssetKey("elsewhere")
    ]


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


# Retries ------------------------------------------------------------------------------------------------------


def flaky(failures: int, policy: RetryPolicy | None, error: Exception | None = None) -> Any:
    """A job of one op that fails so many times first."""
    seen: list[int] = []

    @op(retry_policy=policy)
    def once(context: OpExecutionContext) -> int:
        seen.append(context.retry_number)
        if len(seen) <= failures:
            raise error or ValueError("not yet")
        return len(seen)

    @job
    def only() -> None:
        once()

    return only, seen


def test_a_failed_op_is_tried_again_as_its_policy_says() -> None:
    only, seen = flaky(2, RetryPolicy(max_retries=2))

    result = only.execute_in_process()

    assert result.output_for_node("once") == 3
    assert seen == [0, 1, 2]
    assert result.retry_attempts_for_node("once") == 2
    kinds = [one.event_type_value for one in result.all_events if one.step_key == "once"]
    assert kinds.count("STEP_UP_FOR_RETRY") == kinds.count("STEP_RESTARTED") == 2


def test_the_last_failure_is_raised() -> None:
    only, seen = flaky(9, RetryPolicy(max_retries=2))

    with pytest.raises(ValueError, match="not yet"):
        only.execute_in_process()

    assert len(seen) == 3


def test_a_retry_that_is_asked_for_needs_no_policy() -> None:
    only, seen = flaky(1, None, RetryRequested(max_retries=1))

    assert only.execute_in_process().success
    assert seen == [0, 1]


def test_a_failure_that_forbids_it_is_not_tried_again() -> None:
    only, seen = flaky(1, RetryPolicy(max_retries=5), Failure("no", allow_retries=False))

    result = only.execute_in_process(raise_on_error=False)

    assert not result.success
    assert seen == [0]


def test_only_the_named_exceptions_are_tried_again() -> None:
    only, seen = flaky(5, RetryPolicy(max_retries=5, retry_on=(OSError,)), KeyError("k"))
    other, seen_other = flaky(2, RetryPolicy(max_retries=5, retry_on=(OSError,)), TimeoutError())

    assert not only.execute_in_process(raise_on_error=False).success
    assert other.execute_in_process().success
    assert (seen, seen_other) == ([0], [0, 1, 2])


def test_an_executor_without_retries_tries_once() -> None:
    only, seen = flaky(1, RetryPolicy(max_retries=5))
    config = {"execution": {"config": {"retries": {"disabled": {}}}}}

    result = only.execute_in_process(run_config=config, raise_on_error=False)

    assert not result.success
    assert seen == [0]


def test_a_process_waits_as_long_as_the_policy_says() -> None:
    only, _ = flaky(2, RetryPolicy(max_retries=2, delay=3, backoff=Backoff.LINEAR))
    (step,) = only.step_definitions(None)
    waited: list[float] = []
    around = Surroundings(steps={step.key: step}, resources={})

    outcomes = run_attempts(
        step,
        Invocation(run_id="r", job="only", step=step.key, index=0),
        around,
        pause=waited.append,
    )

    assert waited == [3, 6]
    assert [one.report.attempt for one in outcomes] == [1, 2, 3]
