"""Dynamic outputs in one process: a step for each value, and what collects them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tidegate import (
    Config,
    DynamicOut,
    DynamicOutput,
    FilesystemIOManager,
    OpExecutionContext,
    Out,
    Output,
    graph,
    job,
    op,
)
from tidegate.errors import InvocationError, OutputError
from tidegate.execution.step import Outcome


class Count(Config):
    count: int = 3


@op(out=DynamicOut(int))
def numbers(config: Count) -> Iterator[DynamicOutput[int]]:
    for number in range(config.count):
        yield DynamicOutput(number, f"n{number}", metadata={"number": number})


@op
def double(context: OpExecutionContext, value: int) -> int:
    context.log.info("%s of %s", context.get_mapping_key(), context.step_key)
    return 2 * value


@op
def add(left: int, right: int) -> int:
    return left + right


@op
def one() -> int:
    return 1


@op
def total(values: list[int]) -> int:
    return sum(values)


@op
def listed(values: list[int]) -> list[int]:
    return values


@job
def fan_out() -> Any:
    offset = one()
    mapped = numbers().map(lambda value: add(double(value), offset))
    listed.alias("raw")(numbers.alias("again")().collect())
    listed(mapped.collect())
    return mapped


def count(number: int) -> dict[str, Any]:
    return {"ops": {"numbers": {"config": {"count": number}}}}


def test_each_value_has_steps_of_its_own_and_all_are_collected_in_order() -> None:
    result = fan_out.execute_in_process()

    assert result.success
    assert result.output_for_node("numbers") == {"n0": 0, "n1": 1, "n2": 2}
    assert result.output_for_node("double") == {"n0": 0, "n1": 2, "n2": 4}
    assert result.output_for_node("add[n2]") == 5
    assert result.output_value() == {"n0": 1, "n1": 3, "n2": 5}
    assert result.output_for_node("listed") == [1, 3, 5]
    assert result.output_for_node("raw") == [0, 1, 2]
    assert result.logs_for_node("double[n1]") == ["INFO n1 of double[n1]"]
    assert result.is_node_success("add")


def test_with_no_values_nothing_is_mapped_and_the_collected_list_is_empty() -> None:
    result = fan_out.execute_in_process(run_config=count(0))

    assert result.success
    assert result.output_for_node("double") == {}
    assert result.output_for_node("listed") == []
    assert result.is_node_success("double") and not result.is_node_skipped("double")


def test_a_thousand_values_are_mapped_and_collected() -> None:
    result = fan_out.execute_in_process(run_config=count(1000))

    assert result.output_for_node("listed") == [2 * number + 1 for number in range(1000)]


def test_values_are_stored_by_mapping_key(tmp_path: Any) -> None:
    resources = {"io_manager": FilesystemIOManager(tmp_path)}

    result = fan_out.execute_in_process(resources=resources, run_id="r1")

    files = {path.relative_to(tmp_path / "runs/r1").as_posix() for path in tmp_path.rglob("*.*")}
    assert result.output_for_node("listed") == [1, 3, 5]
    assert {"numbers/result/n0.json", "double%5Bn0%5D/result.json"} <= files


def test_a_failed_value_leaves_the_others_and_not_what_collects_them() -> None:
    @op
    def picky(value: int) -> int:
        return 1 // (value - 1)

    @job
    def failing() -> None:
        listed(numbers().map(lambda value: double(picky(value))).collect())

    result = failing.execute_in_process(raise_on_error=False)

    assert result.get_failed_step_keys() == {"picky[n1]"}
    assert result.is_node_failed("picky")
    assert result.output_for_node("double") == {"n0": -2, "n2": 2}
    assert result.is_node_untouched("double[n1]")
    assert result.is_node_untouched("listed")


def test_values_that_were_not_made_are_left_out_of_the_list() -> None:
    @op(out=Out(int, is_required=False))
    def even(value: int) -> Iterator[Output[int]]:
        if value % 2 == 0:
            yield Output(value)

    @job
    def optional() -> None:
        listed(numbers().map(lambda value: double(even(value))).collect())

    some = optional.execute_in_process(run_config=count(5))
    none = optional.execute_in_process(
        run_config={"ops": {"numbers": {"config": {"count": 1}}}}, raise_on_error=False
    )

    assert some.output_for_node("listed") == [0, 4, 8]
    assert some.is_node_skipped("double[n1]") and not some.is_node_skipped("double")
    assert none.output_for_node("listed") == [0]


def test_when_no_value_was_made_at_all_what_collects_them_is_skipped() -> None:
    @op(out=Out(int, is_required=False))
    def never(value: int) -> Iterator[Output[int]]:
        yield from ()

    @job
    def optional() -> None:
        listed(numbers().map(never).collect())

    result = optional.execute_in_process()

    assert result.success
    assert result.is_node_skipped("listed")


@op(out=DynamicOut(int, is_required=False))
def perhaps() -> Iterator[DynamicOutput[int]]:
    yield from ()


@op(out=DynamicOut(int))
def broken() -> Iterator[DynamicOutput[int]]:
    yield DynamicOutput(1, "a")
    raise ValueError("no")


@pytest.mark.parametrize(
    ("source", "skipped", "untouched"), [(perhaps, True, False), (broken, False, True)]
)
def test_what_is_mapped_over_an_output_that_was_not_made_is_one_step_left_out(
    source: Any, skipped: bool, untouched: bool
) -> None:
    @job
    def left_out() -> None:
        listed(source().map(lambda value: add(double(value), one())).collect())

    result = left_out.execute_in_process(raise_on_error=False)

    assert result.success == skipped
    for node in ("double", "double[?]", "add", "listed"):
        assert result.is_node_skipped(node) == skipped
        assert result.is_node_untouched(node) == untouched
    with pytest.raises(OutputError):
        result.output_for_node("listed")


def test_a_failure_outside_of_the_mapping_leaves_out_every_value() -> None:
    @op
    def no() -> int:
        raise ValueError("no")

    @job
    def outside() -> None:
        offset = no()
        listed(numbers().map(lambda value: add(value, offset)).collect())

    result = outside.execute_in_process(raise_on_error=False)

    assert result.is_node_untouched("add[n0]") and result.is_node_untouched("listed")


def test_graphs_are_mapped_and_what_was_collected_is_mapped_again() -> None:
    @graph
    def twice(value: int) -> Any:
        return double(double.alias("first")(value))

    @op(out=DynamicOut(int))
    def digits(value: int) -> Iterator[DynamicOutput[int]]:
        for place, digit in enumerate(str(value)):
            yield DynamicOutput(int(digit), f"d{place}")

    @job
    def nested() -> Any:
        return listed(digits(total(numbers().map(twice).collect())).map(double).collect())

    result = nested.execute_in_process()

    assert result.output_value() == [2, 4]
    assert result.output_for_node("twice.double") == {"n0": 0, "n1": 4, "n2": 8}


def test_config_of_a_mapped_op_is_that_of_all_its_steps() -> None:
    class Times(Config):
        times: int

    @op
    def scaled(config: Times, value: int) -> int:
        return config.times * value

    @job
    def configured() -> None:
        listed(numbers().map(scaled).collect())

    result = configured.execute_in_process(run_config={"ops": {"scaled": {"config": {"times": 5}}}})

    assert result.output_for_node("listed") == [0, 5, 10]


def _yields(*items: Any) -> Callable[[], Any]:
    def body() -> Any:
        yield from items

    return body


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (_yields(DynamicOutput(1, "a"), DynamicOutput(2, "a")), "output 'result[a]' twice"),
        (_yields(Output(1)), "made an Output of its dynamic output 'result'"),
        (_yields(DynamicOutput(1, "a", "other")), "yielded the output 'other'"),
        (_yields(DynamicOutput("x", "a")), "'result[a]' of step 'source'"),
        (lambda: [1, 2], "a list with a int in it for its dynamic output"),
        (lambda: {"a": 1}, "returned a dict for its dynamic output"),
        (lambda: None, "returned a NoneType for its dynamic output"),
        (lambda: [DynamicOutput(1, "a", "other")], "a value of 'other' in the place of"),
        (
            _yields(*(DynamicOutput(1, f"n{number}") for number in range(10_001))),
            "more than 10,000 values",
        ),
    ],
)
def test_what_a_dynamic_output_cannot_be_fails_the_step_with_the_reason(
    body: Callable[[], Any], says: str
) -> None:
    @job
    def wrong() -> None:
        listed(op(name="source", out=DynamicOut(int))(body)().collect())

    with pytest.raises(InvocationError) as failed:
        wrong.execute_in_process()

    assert says in str(failed.value)


def test_a_dynamic_output_for_an_ordinary_one_fails_the_step() -> None:
    @op
    def ordinary() -> Iterator[Any]:
        yield DynamicOutput(1, "a")

    @job
    def wrong() -> None:
        ordinary()

    with pytest.raises(InvocationError, match="'result', which is not dynamic"):
        wrong.execute_in_process()


def test_a_report_names_the_mapping_keys_and_what_was_said_of_each_value(
    attempt: Callable[..., Outcome],
) -> None:
    report = attempt(fan_out, "numbers").report

    assert report.produced == ("result",)
    assert report.mapping_keys == {"result": ("n0", "n1", "n2")}
    assert report.output_metadata["result[n1]"] == {"number": {"type": "int", "value": 1}}
    assert type(report).from_json(report.to_json()) == report


def test_a_report_of_an_attempt_that_failed_names_no_mapping_keys(
    attempt: Callable[..., Outcome],
) -> None:
    @job
    def breaks() -> None:
        listed(broken().collect())

    assert attempt(breaks, "broken").report.mapping_keys == {}
