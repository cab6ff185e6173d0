"""The in_process executor on a deployment: a whole run is one execution, and is shown as any other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tidegate import (
    Definitions,
    DynamicOut,
    DynamicOutput,
    Ecs,
    OpExecutionContext,
    Out,
    Output,
    RetryPolicy,
    StaticPartitionsDefinition,
    asset,
    define_asset_job,
    in_process_executor,
    job,
    op,
)
from tidegate.testing import LocalDeployment


@op
def one() -> int:
    return 1


@op(pool="db")
def double(context: OpExecutionContext, value: int) -> int:
    context.log.info("doubling %d", value)
    return 2 * value


@op(pool={"db": 2, "api": 1})
def add(left: int, right: int) -> int:
    return left + right


@job(executor_def=in_process_executor)
def diamond() -> None:
    top = one()
    add(double.alias("left")(top), double.alias("right")(top))


@job
def apart() -> None:
    double(one())


@op(out=Out(int, is_required=False))
def perhaps() -> Iterator[Output[int]]:
    yield from ()


@op
def broken(value: int) -> int:
    raise ValueError("no")


@job(executor_def=in_process_executor)
def failing() -> None:
    top = one()
    double.alias("after")(broken(top))
    double.alias("beside")(top)
    double.alias("skipped")(perhaps())


@op(out=DynamicOut(int))
def numbers() -> Iterator[DynamicOutput[int]]:
    for number in range(3):
        yield DynamicOutput(number, f"n{number}")


@op
def total(values: list[int]) -> int:
    return sum(values)


@job(executor_def=in_process_executor)
def fan_out() -> None:
    total(numbers().map(double).collect())


@op(retry_policy=RetryPolicy(max_retries=2))
def flaky(context: OpExecutionContext) -> int:
    if context.retry_number < 2:
        raise ConnectionError("not yet")
    return 1


@job(executor_def=in_process_executor)
def retried() -> None:
    flaky()


@op(compute=Ecs(cpu=512, memory=1024))
def contained() -> int:
    return os.getpid()


@op
def same(pid: int) -> bool:
    return pid == os.getpid()


@job(executor_def=in_process_executor)
def in_container() -> None:
    same(contained())


@op(compute=Ecs())
def dies() -> None:
    os._exit(7)


@job(executor_def=in_process_executor)
def dying() -> None:
    dies(), one()


@asset
def gold() -> int:
    return 1


@asset
def ring(gold: int) -> int:
    return gold + 1


@asset(compute=Ecs(), partitions_def=StaticPartitionsDefinition(["a", "b"]))
def doomed() -> None:
    os._exit(7)


defs = Definitions(
    assets=[gold, ring, doomed],
    jobs=[
        diamond,
        apart,
        failing,
        fan_out,
        retried,
        in_container,
        dying,
        define_asset_job("jewels", selection="*ring", executor_def=in_process_executor),
        define_asset_job("dooming", selection="doomed", executor_def=in_process_executor),
    ],
)
POOLS = {"concurrency": {"pools": {"limits": {"db": 2, "api": 1}}}}


def executions(tg: LocalDeployment) -> int:
    return tg.calls["stepfunctions", "StartExecution"]


def test_a_whole_run_is_one_execution_whose_steps_are_shown_as_ever() -> None:
    with LocalDeployment(defs, settings=POOLS) as tg:
        run_id = tg.submit("diamond")
        tg.settle()
        run = tg.run(run_id)

        assert (run.status, executions(tg)) == ("SUCCESS", 1)
        assert run.steps == dict.fromkeys(["one", "left", "right", "add"], "SUCCESS")
        assert tg.output(run_id, "add") == 4
        kinds = [one.kind for one in run.events if one.step == "left"]
        assert kinds == ["STEP_START", "LOG", "STEP_OUTPUT", "STEP_SUCCESS"]
        assert {one.step for one in run.events} == {None, *run.steps}
        assert tg.call("runs.status", run_id=run_id)["counts"] == {"SUCCESS": 4}


def test_it_holds_the_slots_of_all_its_steps_from_start_to_end() -> None:
    with LocalDeployment(defs, settings=POOLS, step_seconds=60) as tg:
        run_id = tg.submit("diamond")
        tg.settle()

        in_use = {key: one.in_use for key, one in tg.limits.items() if key.startswith("pool/")}
        assert in_use == {"pool/db": 2, "pool/api": 1}
        assert set(tg.run(run_id).steps.values()) == {"PENDING"}
        other = tg.submit("apart")
        tg.settle()
        assert tg.run(other).steps == {"one": "STARTED", "double": "PENDING"}

        tg.advance(minutes=5)
        assert {tg.run_status(one) for one in (run_id, other)} == {"SUCCESS"}
        assert all(one.in_use == 0 for one in tg.limits.values())


def test_what_failed_and_what_was_left_out_says_why() -> None:
    with LocalDeployment(defs, settings=POOLS) as tg:
        run_id = tg.submit("failing")
        tg.settle()
        run = tg.run(run_id)

        assert (run.status, run.reason) == ("FAILURE", "step failed: broken")
        assert run.steps == {
            "one": "SUCCESS",
            "broken": "FAILURE",
            "after": "SKIPPED",
            "beside": "SUCCESS",
            "perhaps": "SUCCESS",
            "skipped": "SKIPPED",
        }
        assert run.reasons["broken"] == "ValueError: no"
        assert run.reasons["after"] == "upstream failed: broken"
        assert run.reasons["skipped"] == "not produced upstream: perhaps"


def test_dynamic_outputs_open_within_it() -> None:
    with LocalDeployment(defs) as tg:
        run_id = tg.submit("fan_out")
        tg.settle()
        run = tg.run(run_id)

        assert run.steps == dict.fromkeys(
            ["numbers", "double[n0]", "double[n1]", "double[n2]", "total"], "SUCCESS"
        )
        assert (tg.output(run_id, "total"), executions(tg)) == (6, 1)


def test_steps_are_tried_again_within_it() -> None:
    with LocalDeployment(defs) as tg:
        run_id = tg.submit("retried")
        tg.settle()
        run = tg.run(run_id)

        kinds = [
            one.kind for one in run.events if one.step == "flaky" and one.kind != "STEP_OUTPUT"
        ]
        assert kinds == [
            "STEP_START",
            "STEP_UP_FOR_RETRY",
            "STEP_RESTARTED",
            "STEP_UP_FOR_RETRY",
            "STEP_RESTARTED",
            "STEP_SUCCESS",
        ]
        assert (run.status, executions(tg)) == ("SUCCESS", 1)


def test_a_job_whose_steps_name_a_container_runs_in_one() -> None:
    with LocalDeployment(defs) as tg:
        run_id = tg.submit("in_container")
        tg.settle()

        assert tg.run(run_id).steps == {"contained": "SUCCESS", "same": "SUCCESS"}
        assert tg.output(run_id, "same") is True
        assert tg.output(run_id, "contained") != os.getpid()


def test_when_the_process_dies_the_run_fails_and_says_so() -> None:
    with LocalDeployment(defs) as tg:
        run_id = tg.submit("dying")
        tg.settle()
        run = tg.run(run_id)

        assert run.status == "FAILURE"
        assert run.reason is not None and run.reason.startswith("Crash: ")
        assert set(run.steps.values()) == {"SKIPPED"}


def test_the_partitions_of_a_process_that_died_have_failed() -> None:
    with LocalDeployment(defs) as tg:
        tg.submit("dooming", partition_key="a")
        tg.settle()

        assert tg.partition_status("doomed") == {"a": "FAILED", "b": "MISSING"}


def test_assets_made_within_it_are_recorded() -> None:
    with LocalDeployment(defs) as tg:
        run_id = tg.submit("jewels")
        tg.settle()

        assert tg.value("ring") == 2
        made = tg.latest_materialization("ring")
        assert made is not None and made.run_id == run_id
        assert executions(tg) == 1


@pytest.mark.parametrize(
    ("job_name", "config", "expected"),
    [("apart", {"in_process": {}}, 1), ("diamond", {"multiprocess": {}}, 4)],
)
def test_the_executor_of_a_run_is_that_of_its_config(
    job_name: str, config: dict[str, Any], expected: int
) -> None:
    with LocalDeployment(defs) as tg:
        run_id = tg.submit(job_name, run_config={"execution": {"config": config}})
        tg.settle()

        assert (tg.run_status(run_id), executions(tg)) == ("SUCCESS", expected)
