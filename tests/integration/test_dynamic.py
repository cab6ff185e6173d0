"""Dynamic outputs on a deployment: steps of the run for each value, with limits that hold among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate import (
    Definitions,
    DynamicOut,
    DynamicOutput,
    Ecs,
    InMemoryIOManager,
    OpExecutionContext,
    Out,
    Output,
    RetryPolicy,
    graph,
    job,
    multiprocess_executor,
    op,
)
from tidegate.testing import LocalDeployment
from tidegate.testing.views import RunView


@op(out=DynamicOut(int), config_schema={"count": int})
def numbers(context: OpExecutionContext) -> Iterator[DynamicOutput[int]]:
    for number in range(context.op_config["count"]):
        yield DynamicOutput(number, f"n{number}")


@op
def offset() -> int:
    return 100


@op(pool="db")
def double(value: int) -> int:
    return 2 * value


@op(tags={"kind": "adding"})
def add(context: OpExecutionContext, left: int, right: int) -> int:
    context.log.info("for %s", context.get_mapping_key())
    return left + right


@op
def total(values: list[int]) -> int:
    return sum(values)


@graph
def doubled_and_more(value: int, more: int) -> Any:
    return add(double(value), more)


@job
def fan_out() -> None:
    more = offset()
    total(numbers().map(lambda value: doubled_and_more(value, more)).collect())


@op
def begun(start: int) -> int:
    return start


@op(out=DynamicOut(int, is_required=False))
def perhaps() -> Iterator[DynamicOutput[int]]:
    yield from ()


@op(out=Out(int, is_required=False))
def even(value: int) -> Iterator[Output[int]]:
    if value % 2 == 0:
        yield Output(value)


@op
def picky(value: int) -> int:
    return 10 // (value - 1)


@op
def keys(values: list[int]) -> list[int]:
    return values


@job
def evens() -> None:
    keys(numbers().map(even).collect())


@job
def failing() -> None:
    keys(numbers().map(picky).collect())


@job
def left_out() -> None:
    keys(perhaps().map(picky).collect())


@op(retry_policy=RetryPolicy(max_retries=1, delay=60))
def flaky(context: OpExecutionContext, value: int) -> int:
    if value == 1 and context.retry_number == 0:
        raise ValueError("not yet")
    return value


@op(compute=Ecs())
def contained(value: int) -> int:
    return value + 1


@op(out=DynamicOut(int), compute=Ecs())
def contained_numbers() -> Iterator[DynamicOutput[int]]:
    yield DynamicOutput(7, "seven")


@job
def retried() -> None:
    keys(numbers().map(flaky).collect())


@job
def in_containers() -> None:
    keys(contained_numbers().map(contained).collect())


@job(
    executor_def=multiprocess_executor.configured(
        {"max_concurrent": 4, "tag_concurrency_limits": [{"key": "kind", "limit": 2}]}
    )
)
def limited() -> None:
    more = offset()
    total(numbers().map(lambda value: doubled_and_more(value, more)).collect())


@op(out=DynamicOut())
def twice() -> Iterator[DynamicOutput[int]]:
    yield DynamicOutput(1, "a")
    yield DynamicOutput(2, "a")


@job
def same_key() -> None:
    twice().map(double)


defs = Definitions(
    jobs=[fan_out, evens, failing, left_out, retried, in_containers, limited, same_key]
)


def count(number: int) -> dict[str, Any]:
    return {"ops": {"numbers": {"config": {"count": number}}}}


def run_of(tg: LocalDeployment, job_name: str, values: int | None = None) -> RunView:
    run_id = tg.submit(job_name, run_config={} if values is None else count(values))
    tg.settle()
    return tg.run(run_id)


def most_at_once(tg: LocalDeployment, run: RunView, step: str) -> int:
    spans = [span for key, span in tg.intervals(run.run_id).items() if key.startswith(step)]
    return max(sum(start <= at < end for start, end in spans) for at, _ in spans)


def test_each_value_has_steps_of_its_own_whose_values_are_collected_in_order() -> None:
    with LocalDeployment(defs) as tg:
        run = run_of(tg, "fan_out", 3)

        assert run.status == "SUCCESS"
        assert run.steps == dict.fromkeys(
            [
                "offset",
                "numbers",
                *(f"doubled_and_more.double[n{n}]" for n in range(3)),
                *(f"doubled_and_more.add[n{n}]" for n in range(3)),
                "total",
            ],
            "SUCCESS",
        )
        assert tg.output(run.run_id, "total") == 306
        assert tg.output(run.run_id, "doubled_and_more.add[n2]") == 104
        logs = [one for one in run.events if one.kind == "LOG"]
        assert {(one.step, one.message) for one in logs} == {
            (f"doubled_and_more.add[n{n}]", f"for n{n}") for n in range(3)
        }
        assert tg.limits["pool/db"].in_use == 0


def test_no_values_no_steps_and_an_empty_list() -> None:
    with LocalDeployment(defs) as tg:
        run = run_of(tg, "fan_out", 0)

        assert run.steps == dict.fromkeys(["offset", "numbers", "total"], "SUCCESS")
        assert tg.output(run.run_id, "total") == 0


def test_an_output_that_was_left_out_leaves_out_what_is_mapped_over_it() -> None:
    with LocalDeployment(defs) as tg:
        run = run_of(tg, "left_out")

        assert run.status == "SUCCESS"
        assert run.steps == {"perhaps": "SUCCESS", "picky[?]": "SKIPPED", "keys": "SKIPPED"}


def test_values_that_were_not_made_are_not_in_the_list_and_one_that_failed_ends_it() -> None:
    with LocalDeployment(defs) as tg:
        some, bad = run_of(tg, "evens", 5), run_of(tg, "failing", 3)

        assert tg.output(some.run_id, "keys") == [0, 2, 4]
        assert bad.status == "FAILURE"
        assert bad.reason == "step failed: picky[n1]"
        assert bad.steps["picky[n2]"] == "SUCCESS"
        assert (bad.steps["keys"], bad.reasons["keys"]) == (
            "SKIPPED",
            "upstream failed: picky[n1]",
        )


def test_the_same_mapping_key_twice_fails_the_step_and_says_so() -> None:
    with LocalDeployment(defs) as tg:
        run = run_of(tg, "same_key")

        assert run.status == "FAILURE"
        assert "made its output 'result[a]' twice" in run.reasons["twice"]


def test_a_step_for_one_value_is_tried_again_alone() -> None:
    with LocalDeployment(defs) as tg:
        run_id = tg.submit("retried", run_config=count(3))
        tg.settle()
        assert tg.run(run_id).steps["flaky[n1]"] == "UP_FOR_RETRY"

        tg.advance(minutes=2)

        run = tg.run(run_id)
        assert run.status == "SUCCESS"
        assert [one.step for one in run.events if one.kind == "STEP_RESTARTED"] == ["flaky[n1]"]
        assert tg.output(run_id, "keys") == [0, 1, 2]


def test_steps_in_containers_make_and_get_values_too() -> None:
    with LocalDeployment(defs) as tg:
        run = run_of(tg, "in_containers")

        assert run.steps["contained[seven]"] == "SUCCESS"
        assert tg.output(run.run_id, "keys") == [8]


def test_limits_within_the_run_hold_inside_the_fan_out() -> None:
    with LocalDeployment(defs, step_seconds=10) as tg:
        run_id = tg.submit("limited", run_config=count(12))
        tg.advance(minutes=10)
        run = tg.run(run_id)

        assert run.status == "SUCCESS"
        assert most_at_once(tg, run, "") == 4
        assert most_at_once(tg, run, "doubled_and_more.add") == 2


def test_a_thousand_values_run_with_a_pool_of_ten() -> None:
    @job
    def wide() -> None:
        total(numbers().map(double).collect())

    in_memory = Definitions(jobs=[wide], resources={"io_manager": InMemoryIOManager()})
    settings = {"concurrency": {"pools": {"limits": {"db": 10}}}}
    with LocalDeployment(in_memory, settings=settings, step_seconds=1) as tg:
        run_id = tg.submit("wide", run_config=count(1000))
        tg.advance(minutes=5)
        run = tg.run(run_id)

        assert run.status == "SUCCESS"
        assert len(run.steps) == 1002
        assert most_at_once(tg, run, "double") == 10
        assert tg.limits["pool/db"].in_use == 0
        assert sum(tg.calls.values()) < 20_000


def test_a_retry_from_the_failure_does_again_only_what_failed_and_what_collects_it() -> None:
    with LocalDeployment(defs) as tg:
        first = run_of(tg, "failing", 3)
        retry = tg.call("runs.retry", run_id=first.run_id)["run_id"]
        tg.settle()
        again = tg.run(retry)

        assert again.status == "FAILURE"
        assert [one.step for one in again.events if one.kind == "STEP_START"] == ["picky[n1]"]
        assert again.steps["picky[n2]"] == "SKIPPED"
        assert again.reasons["picky[n2]"] == f"done in run {first.run_id}"
        assert again.reasons["keys"] == "upstream failed: picky[n1]"
