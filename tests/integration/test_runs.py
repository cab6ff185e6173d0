"""Runs from submit to end, through the real handlers, the real tables and the deployed state machine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tidegate import (
    AssetExecutionContext,
    Config,
    Definitions,
    Ecs,
    Failure,
    MaterializeResult,
    OpExecutionContext,
    Out,
    Output,
    StaticPartitionsDefinition,
    asset,
    graph,
    job,
    op,
)
from tidegate.errors import (
    ConfigError,
    UnknownAssetError,
    UnknownJobError,
    UnknownPartitionError,
)
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]


@op
def one() -> int:
    return 1


@op
def add_one(number: int) -> int:
    return number + 1


@op
def total(left: int, right: int) -> int:
    return left + right


@op
def fail(number: int) -> int:
    raise ValueError(f"cannot take {number}")


@job
def chain() -> None:
    add_one.alias("third")(add_one(one()))


@job
def diamond() -> None:
    top = one()
    total(add_one.alias("left")(top), add_one.alias("right")(top))


def test_a_chain_of_three_steps_runs_in_order_and_succeeds(deploy: Deploy) -> None:
    tg = deploy(Definitions(jobs=[chain]), step_seconds=1)

    run_id = tg.submit("chain")
    tg.settle()
    tg.advance(seconds=10)

    run = tg.run(run_id)
    assert run.status == "SUCCESS"
    assert run.steps == {"one": "SUCCESS", "add_one": "SUCCESS", "third": "SUCCESS"}
    spans = tg.intervals(run_id)
    assert spans["one"][1] <= spans["add_one"][0] < spans["add_one"][1] <= spans["third"][0]


def test_both_sides_of_a_diamond_run_at_once_and_its_foot_gets_both_values(deploy: Deploy) -> None:
    tg = deploy(Definitions(jobs=[diamond]), step_seconds=1)

    run_id = tg.submit("diamond")
    tg.advance(seconds=10)

    assert tg.run(run_id).status == "SUCCESS"
    assert tg.output(run_id, "total") == 4
    spans = tg.intervals(run_id)
    assert spans["left"][0] == spans["right"][0]
    assert spans["total"][0] >= max(spans["left"][1], spans["right"][1])


def test_a_fan_in_of_a_thousand_gets_every_value(deploy: Deploy) -> None:
    @op
    def number(context: OpExecutionContext) -> int:
        return int(context.step_key.removeprefix("n"))

    @op
    def gather(numbers: list[int]) -> int:
        assert numbers == list(range(1000))
        return sum(numbers)

    @job
    def wide() -> None:
        gather([number.alias(f"n{i}")() for i in range(1000)])

    tg = deploy(Definitions(jobs=[wide]))

    run_id = tg.submit("wide")
    tg.settle()

    assert tg.run(run_id).status == "SUCCESS"
    assert tg.output(run_id, "gather") == 499_500


def test_a_pool_of_two_is_never_exceeded_and_never_idle_while_steps_wait(deploy: Deploy) -> None:
    @op(pool="db")
    def query() -> None: ...

    @job
    def queries() -> None:
        for i in range(10):
            query.alias(f"q{i}")()

    tg = deploy(Definitions(jobs=[queries]), step_seconds=60)
    tg.set_limit("pool/db", 2)

    runs = [tg.submit("queries"), tg.submit("queries")]
    tg.settle()
    # Eight steps of the first run, and the second run: it is queued until a step of it can begin.
    assert (tg.limits["pool/db"].in_use, tg.limits["pool/db"].waiting) == (2, 9)
    assert [tg.run_status(one) for one in runs] == ["STARTED", "QUEUED"]
    tg.advance(minutes=11)

    assert [tg.run(one).status for one in runs] == ["SUCCESS", "SUCCESS"]
    spans = [span for one in runs for span in tg.intervals(one).values()]
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    in_use, most = 0, 0
    for _, change in sorted(edges, key=lambda edge: (edge[0], edge[1])):
        in_use += change
        most = max(most, in_use)
    assert most == 2
    assert max(end for _, end in spans) - min(start for start, _ in spans) == timedelta(minutes=10)
    assert tg.limits["pool/db"].in_use == 0


def test_a_failed_step_skips_what_depends_on_it_and_nothing_else(deploy: Deploy) -> None:
    @job
    def branches() -> None:
        top = one()
        add_one.alias("after_fail")(fail(top))
        add_one.alias("independent")(top)

    tg = deploy(Definitions(jobs=[branches]))

    run_id = tg.submit("branches")
    tg.settle()

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.reason == "step failed: fail"
    assert run.steps == {
        "one": "SUCCESS",
        "fail": "FAILURE",
        "after_fail": "SKIPPED",
        "independent": "SUCCESS",
    }
    assert run.reasons["fail"] == "ValueError: cannot take 1"
    assert run.reasons["after_fail"] == "upstream failed: fail"
    assert tg.limits["runs"].in_use == 0


def test_an_optional_output_that_is_not_produced_skips_its_consumers_and_the_run_succeeds(
    deploy: Deploy,
) -> None:
    @op(out={"some": Out(is_required=False), "none": Out(is_required=False)})
    def maybe():  # type: ignore[no-untyped-def]
        yield Output(1, "some")

    @job
    def optional() -> None:
        some, none = maybe()
        add_one.alias("runs")(some)
        add_one.alias("below")(add_one.alias("skips")(none))

    tg = deploy(Definitions(jobs=[optional]))

    run_id = tg.submit("optional")
    tg.settle()

    run = tg.run(run_id)
    assert run.status == "SUCCESS"
    assert run.steps == {
        "maybe": "SUCCESS",
        "runs": "SUCCESS",
        "skips": "SKIPPED",
        "below": "SKIPPED",
    }
    assert run.reasons["skips"] == "not produced upstream: maybe"


def test_a_failure_is_not_hidden_by_a_skip_below_it(deploy: Deploy) -> None:
    @op(out=Out(is_required=False))
    def nothing():  # type: ignore[no-untyped-def]
        yield from ()

    @job
    def hidden() -> None:
        total(fail(one()), nothing())

    tg = deploy(Definitions(jobs=[hidden]))

    run_id = tg.submit("hidden")
    tg.settle()

    assert tg.run(run_id).steps["total"] == "SKIPPED"
    assert tg.run(run_id).status == "FAILURE"


def test_the_same_run_key_is_the_same_run(deploy: Deploy) -> None:
    tg = deploy(Definitions(jobs=[chain]))

    first = tg.submit("chain", run_key="2026-01-01")
    again = tg.submit("chain", run_key="2026-01-01")
    tg.settle()
    later = tg.submit("chain", run_key="2026-01-01")
    other = tg.submit("chain", run_key="2026-01-02")

    assert first == again == later != other
    tg.settle()
    assert len(tg.runs()) == 2


def test_runs_beyond_the_limit_wait_and_say_why(deploy: Deploy) -> None:
    tg = deploy(
        Definitions(jobs=[chain]),
        settings={"concurrency": {"runs": {"max_concurrent_runs": 1}}},
        step_seconds=10,
    )

    first, second, third = (tg.submit("chain") for _ in range(3))
    tg.settle()

    assert tg.run(first).status == "STARTED"
    assert tg.queue() == [
        (second, "runs", [f"run/{first}"], 0),
        (third, "runs", [f"run/{first}"], 1),
    ]
    tg.advance(minutes=2)
    assert [tg.run(one).status for one in (first, second, third)] == ["SUCCESS"] * 3
    assert tg.run(first).finished_at <= tg.run(second).started_at
    assert tg.run(second).finished_at <= tg.run(third).started_at


def test_priority_goes_first_then_first_come(deploy: Deploy) -> None:
    tg = deploy(
        Definitions(jobs=[chain]),
        settings={"concurrency": {"runs": {"max_concurrent_runs": 1}}},
        step_seconds=1,
    )

    first = tg.submit("chain")
    tg.settle()
    low = tg.submit("chain")
    high = tg.submit("chain", tags={"dagster/priority": "5"})
    tg.settle()

    assert [entry[0] for entry in tg.queue()] == [high, low]
    tg.advance(minutes=1)
    started = {
        name: tg.run(run).started_at for name, run in [("f", first), ("l", low), ("h", high)]
    }
    assert started["f"] < started["h"] < started["l"]


def test_a_limit_of_zero_admits_nothing_until_it_is_raised(deploy: Deploy) -> None:
    tg = deploy(
        Definitions(jobs=[chain]), settings={"concurrency": {"runs": {"max_concurrent_runs": 0}}}
    )

    run_id = tg.submit("chain")
    tg.settle()
    assert tg.run(run_id).status == "QUEUED"

    tg.set_limit("runs", 1)
    tg.settle()
    assert tg.run(run_id).status == "SUCCESS"


numbers = StaticPartitionsDefinition(["one", "two"])


@asset
def source() -> int:
    return 20


@asset(partitions_def=numbers)
def scaled(context: AssetExecutionContext, source: int) -> int:
    return source * {"one": 1, "two": 2}[context.partition_key]


def test_assets_pass_values_by_key_and_partition_and_record_materializations(
    deploy: Deploy,
) -> None:
    tg = deploy(Definitions(assets=[source, scaled]))

    run_id = tg.materialize("source")
    tg.settle()
    two = tg.materialize("scaled", partition_key="two")
    tg.settle()

    assert tg.run(run_id).status == tg.run(two).status == "SUCCESS"
    assert tg.value("scaled", partition="two") == 40
    events = [one for one in tg.run(two).events if one.kind == "ASSET_MATERIALIZATION"]
    assert [(one.data["asset"], one.data["partition"]) for one in events] == [("scaled", "two")]
    assert tg.latest_materialization("scaled", partition="two").run_id == two
    assert tg.latest_materialization("scaled", partition="one") is None


def test_an_unpartitioned_asset_in_a_partitioned_run_is_recorded_without_a_partition(
    deploy: Deploy,
) -> None:
    tg = deploy(Definitions(assets=[source, scaled]))

    run_id = tg.materialize("*", partition_key="two")
    tg.settle()

    assert tg.run(run_id).status == "SUCCESS"
    events = [one for one in tg.run(run_id).events if one.kind == "ASSET_MATERIALIZATION"]
    assert [(one.data["asset"], one.data["partition"]) for one in events] == [
        ("source", None),
        ("scaled", "two"),
    ]
    assert tg.latest_materialization("source").run_id == run_id


def test_metadata_and_logs_are_recorded(deploy: Deploy) -> None:
    @asset
    def logged(context: AssetExecutionContext) -> MaterializeResult:
        context.log.warning("careful: %d", 3)
        return MaterializeResult(metadata={"rows": 3})

    tg = deploy(Definitions(assets=[logged]))

    run_id = tg.materialize("logged")
    tg.settle()

    lines = [one for one in tg.run(run_id).events if one.kind == "LOG"]
    assert [(one.level, one.message) for one in lines] == [("WARNING", "careful: 3")]
    record = tg.latest_materialization("logged")
    assert record is not None
    assert record.metadata["rows"] == {"type": "int", "value": 3}


def test_a_missing_upstream_value_is_a_clear_failure(deploy: Deploy) -> None:
    tg = deploy(Definitions(assets=[source, scaled]))

    run_id = tg.materialize("scaled", partition_key="one")
    tg.settle()

    assert tg.run(run_id).status == "FAILURE"
    assert "source" in tg.run(run_id).reasons["scaled"]


def test_user_code_that_kills_its_process_ends_as_a_failed_step(deploy: Deploy) -> None:
    @op
    def leave() -> None:
        raise SystemExit(3)

    @job
    def leaving() -> None:
        leave()

    tg = deploy(Definitions(jobs=[leaving]))

    run_id = tg.submit("leaving")
    tg.settle()

    assert tg.run(run_id).steps == {"leave": "FAILURE"}


def test_a_failure_with_metadata_keeps_it(deploy: Deploy) -> None:
    @op
    def picky() -> None:
        raise Failure("not today", metadata={"day": "Monday"})

    @job
    def picking() -> None:
        picky()

    tg = deploy(Definitions(jobs=[picking]))

    run_id = tg.submit("picking")
    tg.settle()

    (event,) = (one for one in tg.run(run_id).events if one.kind == "STEP_FAILURE")
    assert event.data["metadata"] == {"day": {"type": "text", "value": "Monday"}}


class Amount(Config):
    amount: int


@op
def pay(config: Amount) -> int:
    return config.amount


@job
def payment() -> None:
    pay()


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        ({"job": "nothing"}, UnknownJobError, "There is no job 'nothing'."),
        ({"job": "payment"}, ConfigError, "ops.pay.config"),
        (
            {"job": "payment", "run_config": {"ops": {"pay": {"config": {"amount": "many"}}}}},
            ConfigError,
            "ops.pay.config.amount",
        ),
        (
            {"job": "payment", "run_config": {"ops": {"buy": {}}}},
            ConfigError,
            "op 'buy', which is not part of this run",
        ),
        ({"job": "chain", "run_config": {"opps": {}}}, ConfigError, "unknown section 'opps'"),
        ({"job": "chain", "partition_key": "x"}, UnknownPartitionError, "nothing in this run"),
    ],
)
def test_bad_requests_are_refused_in_one_sentence_and_create_nothing(
    deploy: Deploy, request_: dict[str, object], error: type[Exception], says: str
) -> None:
    tg = deploy(Definitions(jobs=[payment, chain]))

    with pytest.raises(error) as caught:
        tg.submit(**request_)

    assert says in str(caught.value)
    assert tg.runs() == []


@pytest.mark.parametrize(
    ("selection", "partition", "error"),
    [
        ("sauce", None, UnknownAssetError),
        ("scaled", None, UnknownPartitionError),
        ("scaled", "three", UnknownPartitionError),
        ("source", "one", UnknownPartitionError),
    ],
)
def test_unknown_assets_and_partitions_are_refused(
    deploy: Deploy, selection: str, partition: str | None, error: type[Exception]
) -> None:
    tg = deploy(Definitions(assets=[source, scaled]))

    with pytest.raises(error):
        tg.materialize(selection, partition_key=partition)

    assert tg.runs() == []


def test_config_reaches_the_op(deploy: Deploy) -> None:
    tg = deploy(Definitions(jobs=[payment]))

    run_id = tg.submit("payment", run_config={"ops": {"pay": {"config": {"amount": 7}}}})
    tg.settle()

    assert tg.output(run_id, "pay") == 7


def test_a_nested_graph_runs_as_its_steps(deploy: Deploy) -> None:
    @graph
    def twice(number: int) -> int:
        return add_one.alias("second")(add_one.alias("first")(number))

    @job
    def nested() -> None:
        twice(one())

    tg = deploy(Definitions(jobs=[nested]))

    run_id = tg.submit("nested")
    tg.settle()

    assert tg.run(run_id).status == "SUCCESS"
    assert tg.output(run_id, "twice.second") == 3


@pytest.mark.parametrize(
    "ops",
    [
        {"billing.pay": {"config": {"amount": 7}}},
        {"billing": {"ops": {"pay": {"config": {"amount": 7}}}}},
    ],
)
def test_config_of_a_step_in_a_graph_is_found_by_its_key_and_under_its_graph(
    deploy: Deploy, ops: dict[str, object]
) -> None:
    @graph
    def billing() -> int:
        return pay()

    @job
    def invoice() -> None:
        billing()

    tg = deploy(Definitions(jobs=[invoice]))

    run_id = tg.submit("invoice", run_config={"ops": ops})
    tg.settle()

    assert tg.output(run_id, "billing.pay") == 7


@asset(compute=Ecs(cpu=256, memory=512))
def heavy() -> int:
    return 7


@asset
def light(heavy: int) -> int:
    return heavy + 1


ecs_definitions = Definitions(assets=[heavy, light])


def test_a_step_on_ecs_runs_in_a_process_of_its_own(deploy: Deploy) -> None:
    tg = deploy(ecs_definitions)

    run_id = tg.materialize("*")
    tg.settle()

    assert tg.run(run_id).steps == {"heavy": "SUCCESS", "light": "SUCCESS"}
    assert tg.value("light") == 8
