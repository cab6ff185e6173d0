"""Dynamic outputs as they are declared: what can be mapped and collected, and what is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tidegate import (
    DynamicOut,
    DynamicOutput,
    GraphDefinition,
    Out,
    build_op_context,
    graph,
    job,
    op,
)
from tidegate.errors import DefinitionError, InvocationError


@op(out=DynamicOut(int))
def numbers() -> Any:
    yield DynamicOutput(1, "one")


@op(out={"evens": DynamicOut(int), "total": Out(int)})
def several() -> Any: ...


@op(out=DynamicOut(int))
def digits(value: int) -> Any: ...


@op
def double(value: int) -> int:
    return 2 * value


@op
def add(left: int, right: int) -> int:
    return left + right


@op
def total(values: list[int]) -> int:
    return sum(values)


@op(out={"low": Out(int), "high": Out(int)})
def split(value: int) -> Any: ...


def steps(body: Callable[[], Any]) -> dict[str, Any]:
    return {one.key: one for one in job(body).steps}


def test_what_is_called_in_a_map_is_mapped_and_what_collects_it_is_not() -> None:
    def body() -> None:
        total(numbers().map(double).map(double.alias("again")).collect())

    found = steps(body)

    assert [one.mapped_over for one in found.values()] == [
        None,
        ("numbers", "result"),
        ("numbers", "result"),
        None,
    ]
    (values,) = found["total"].inputs
    assert (values.sources, values.fan_in, values.collects) == ((("again", "result"),), True, True)


def test_a_map_may_use_what_is_outside_of_it_and_several_outputs() -> None:
    def body() -> None:
        one = double.alias("outside")(several().total)
        low, high = several.alias("more")().evens.map(lambda value: split(add(value, one)))
        total.alias("lows")(low.collect())
        total.alias("highs")(high.collect())

    found = steps(body)

    assert found["add"].mapped_over == found["split"].mapped_over == ("more", "evens")
    assert found["outside"].mapped_over is None
    assert found["highs"].inputs[0].sources == (("split", "high"),)


def test_a_graph_can_be_mapped_and_can_return_what_is_mapped() -> None:
    @graph
    def twice(value: int) -> Any:
        return double(double.alias("first")(value))

    @graph
    def inner() -> Any:
        return numbers().map(twice)

    @graph
    def sum_of(values: list[int]) -> Any:
        return total(values)

    def body() -> None:
        sum_of(inner().collect())

    found = steps(body)

    assert isinstance(inner, GraphDefinition)
    assert inner.dynamic_outputs == {"result"}
    assert found["inner.twice.double"].mapped_over == ("inner.numbers", "result")
    assert found["sum_of.total"].inputs[0].collects


def test_what_was_collected_can_be_mapped_again() -> None:
    def body() -> None:
        digits(total(numbers().map(double).collect())).map(double.alias("again"))

    found = steps(body)

    assert found["digits"].mapped_over is None
    assert found["again"].mapped_over == ("digits", "result")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (lambda: double(numbers()), "got the dynamic output 'result' of 'numbers'. Map over it"),
        (lambda: total([numbers().map(double)]), "got the dynamic output 'result' of 'double'"),
        (lambda: total([numbers().collect()]), "got a collected list within a list"),
        (
            lambda: numbers().map(lambda v: digits(v).map(double)),
            "downstream of two dynamic outputs, 'result' of 'numbers' and 'result' of 'digits'",
        ),
        (
            lambda: numbers().map(lambda v: total(digits(v).collect())),
            "collects 'result' of 'digits', a dynamic output within what is mapped over",
        ),
        (
            lambda: numbers().map(lambda v: several().evens.map(lambda w: add(v, w))),
            "downstream of two dynamic outputs",
        ),
        (
            lambda: total(numbers().map(lambda v: several().total).collect()),
            "collects 'total' of 'several', which is not mapped",
        ),
        (lambda: numbers().map(lambda v: 3), "answers 3. Answer the output of an op"),
        (lambda: list(numbers()), "used as a value"),
        (lambda: numbers()[0], "used as a value"),
        (lambda: 1 if numbers() else 2, "used as a value"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_when_it_is_declared(
    body: Callable[[], Any], says: str
) -> None:
    def nothing() -> None:
        body()

    with pytest.raises(DefinitionError) as refused:
        job(nothing)

    assert says in str(refused.value)


@pytest.mark.parametrize("key", ["", "a-b", "a.b", "a b", "ä", "a/b", "x" * 201, 3, None])
def test_a_mapping_key_is_of_letters_digits_and_underscores(key: Any) -> None:
    with pytest.raises(InvocationError, match="Use letters, digits and underscores, 200 at most"):
        DynamicOutput(1, key)


def test_a_list_of_dynamic_outputs_as_annotation_declares_one() -> None:
    @op
    def listed() -> list[DynamicOutput[int]]:
        return [DynamicOutput(3, "three")]

    (output,) = listed.outputs

    assert (output.is_dynamic, output.annotation) == (True, int)
    assert [one.value for one in listed()] == [3]


def test_metadata_of_a_dynamic_output_is_said_of_one_value() -> None:
    @op(out=DynamicOut())
    def described(context) -> Any:  # type: ignore[no-untyped-def]
        context.add_output_metadata({"rows": 3}, mapping_key="a")
        assert context.get_output_metadata("result", mapping_key="a") == {"rows": 3}
        assert context.get_output_metadata("result", mapping_key="b") == {}
        yield DynamicOutput(1, "a")

    context = build_op_context(mapping_key="outer")

    assert [one.mapping_key for one in described(context)] == ["a"]
    assert context.get_mapping_key() == "outer"
    with pytest.raises(InvocationError, match="'result' of 'test' is dynamic"):
        context.add_output_metadata({"rows": 3})


def test_metadata_of_an_ordinary_output_has_no_mapping_key() -> None:
    context = build_op_context()
    context.bind(double.outputs, None)

    with pytest.raises(InvocationError, match="is not dynamic"):
        context.add_output_metadata({"rows": 3}, mapping_key="a")
