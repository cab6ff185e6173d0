"""Runs from submit to end, through the real handlers, the real tables and the deployed state machine."""

from __future__ import annotations

from tests.integration.chains import Deploy, add_one, chain, one, scaled, source
from tidegate import (
    AssetExecutionContext,
    Definitions,
    Ecs,
    Failure,
    MaterializeResult,
    OpExecutionContext,
    Out,
    Output,
    asset,
    job,
    op,
)


@op
def total(left: int, right: int) -> int:
    return left + right


@op
def fail(number: int) -> int:
    raise ValueError(f"cannot take {number}")


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
