"""The parts of the language where moto's interpreter is no referee: what is refused, and edges."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tidegate.local.asl import choice, intrinsics, machine, paths, template
from tidegate.local.asl.errors import InvalidDefinition, StateError, matches
from tidegate.local.asl.retry import Retries

DOCUMENT = {"a": {"b": [1, {"c": 2}]}, "a b": 3, "é": 4}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a.b[0]", 1),
        ("$.a.b[1].c", 2),
        ("$.a.b[-1].c", 2),
        ("$['a']['b'][0]", 1),
        ('$["a b"]', 3),
        ("$.é", 4),
    ],
)
def test_path_reads(path: str, value: Any) -> None:
    assert paths.read(path, DOCUMENT) == value


@pytest.mark.parametrize("path", ["$.x", "$.a.b[2]", "$.a.b.c", "$.a[0]", "$.a.b[0].c"])
def test_path_that_leads_nowhere_is_missing(path: str) -> None:
    with pytest.raises(paths.MissingPathError):
        paths.read(path, DOCUMENT)


@pytest.mark.parametrize("path", ["a", "$a", "$.a[*]", "$..a", "$.a[?(@.b)]", "$.a[0:2]", "$$$"])
def test_path_that_is_not_executed_here_is_refused(path: str) -> None:
    with pytest.raises(InvalidDefinition, match="path"):
        paths.parse(path)


def test_writing_leaves_the_document_as_it_was() -> None:
    document = {"a": {"b": 1}, "l": [1, 2]}

    written = paths.write("$.a.c.d", document, 5)
    listed = paths.write("$.l[1]", document, 9)

    assert written == {"a": {"b": 1, "c": {"d": 5}}, "l": [1, 2]}
    assert listed["l"] == [1, 9]
    assert document == {"a": {"b": 1}, "l": [1, 2]}


def test_writing_into_what_is_no_object_fails_the_state() -> None:
    with pytest.raises(StateError) as raised:
        paths.write("$.a.b", {"a": 1}, 2)

    assert raised.value.error == "States.ResultPathMatchFailure"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("States.Format('it''s')", None),
        (r"States.Format('it\'s \{{}\}', $.n)", "it's {7}"),
        ("States.Format('{} {}', $.o, true)", '{"k":1} true'),
        ("States.Array()", []),
        ("States.Array(null, false, -1.5)", [None, False, -1.5]),
        ("States.ArrayLength(States.Array($.n, $.n))", 2),
    ],
)
def test_intrinsic(expression: str, value: Any) -> None:
    document = {"n": 7, "o": {"k": 1}}
    if value is None:
        with pytest.raises(InvalidDefinition):
            intrinsics.parse(expression)
    else:
        assert intrinsics.evaluate(expression, lambda path: paths.read(path, document)) == value


@pytest.mark.parametrize(
    "expression",
    [
        "States.Format('{} {}', 'one')",
        "States.ArrayGetItem(States.Array(1), 4)",
        "States.StringToJson('{')",
        "States.JsonMerge('a', 'b', false)",
        "States.MathAdd('x', 1)",
    ],
)
def test_intrinsic_whose_arguments_do_not_fit_fails_the_state(expression: str) -> None:
    with pytest.raises(StateError) as raised:
        intrinsics.evaluate(expression, lambda path: None)

    assert raised.value.error == "States.IntrinsicFailure"


@pytest.mark.parametrize(
    "expression", ["States.UUID()", "States.Format('a'", "States.Format('a') x", "States.Format(,)"]
)
def test_intrinsic_that_is_not_executed_here_is_refused(expression: str) -> None:
    with pytest.raises(InvalidDefinition):
        intrinsics.parse(expression)


@pytest.mark.parametrize(
    "payload", [{"a.$": "plain"}, {"a": [{"b.$": 1}]}, {"a.$": "$.x[*]"}, {"a.$": "States.Nope()"}]
)
def test_template_that_cannot_be_filled_in_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidDefinition):
        template.check(payload)


@pytest.mark.parametrize(
    "rule",
    [
        {"Variable": "$.a", "Next": "X"},
        {"Variable": "$.a", "StringEquals": "x", "NumericEquals": 1},
        {"Variable": "$.a", "Nope": 1},
        {"StringEquals": "x"},
        {"And": [{"Variable": "$.a"}]},
    ],
)
def test_malformed_choice_rule_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinition):
        choice.check(rule)


PASSES = {"Type": "Pass", "End": True}


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        ("{", "not JSON"),
        (json.dumps({"StartAt": "A", "States": {}}), "StartAt"),
        (json.dumps({"StartAt": "A", "States": {"A": {"Type": "Map"}}}), "of type 'Map'"),
        (json.dumps({"StartAt": "A", "States": {"A": {**PASSES, "Assign": {}}}}), "'Assign'"),
        (json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass"}}}), "Next or End"),
        (
            json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}),
            "leads to 'B'",
        ),
        (
            json.dumps({"StartAt": "A", "States": {"A": {**PASSES, "Result": "${Arn}"}}}),
            "placeholder",
        ),
        (
            json.dumps(
                {"StartAt": "A", "States": {"A": {**PASSES, "InputPath": "$..x"}}},
            ),
            "path",
        ),
    ],
)
def test_definition_that_is_not_executed_here_is_refused(definition: str, says: str) -> None:
    with pytest.raises(InvalidDefinition, match=says.replace("$", r"\$")):
        machine.parse(definition)


@pytest.mark.parametrize(
    ("names", "error", "expected"),
    [
        (["States.ALL"], "ValueError", True),
        (["States.ALL"], "States.Timeout", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.ALL"], "States.DataLimitExceeded", False),
        (["States.TaskFailed"], "ValueError", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.DataLimitExceeded"], "States.DataLimitExceeded", True),
        (["Other"], "ValueError", False),
    ],
)
def test_error_equals(names: list[str], error: str, expected: bool) -> None:
    assert matches(names, error) is expected


def delays(retrier: dict[str, Any], count: int) -> list[float | None]:
    retries = Retries([{"ErrorEquals": ["States.ALL"], **retrier}], random.Random(0))
    return [retries.delay("Any") for _ in range(count)]


def test_retry_waits_longer_each_time_up_to_the_maximum() -> None:
    retrier = {"IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 10, "MaxAttempts": 4}

    assert delays(retrier, 5) == [2, 6, 10, 10, None]


def test_retry_has_the_defaults_of_step_functions() -> None:
    assert delays({}, 4) == [1, 2, 4, None]


def test_full_jitter_is_anything_up_to_the_delay() -> None:
    found = delays(
        {"IntervalSeconds": 8, "BackoffRate": 1, "MaxAttempts": 50, "JitterStrategy": "FULL"}, 50
    )

    assert all(one is not None and 0 <= one <= 8 for one in found)
    assert len(set(found)) == 50


def test_thousands_of_retries_do_not_overflow() -> None:
    assert delays({"MaxDelaySeconds": 60, "MaxAttempts": 4000}, 4000)[-1] == 60
