"""Where steps run, and how often they are tried again."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate import Backoff, DefinitionError, Ecs, Jitter, Lambda, RetryPolicy, op


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        (256, 512),
        (256, 2048),
        (512, 4096),
        (1024, 8192),
        (2048, 4096),
        (4096, 30720),
        (8192, 61440),
        (16384, 122880),
    ],
)
def test_fargate_sizes_are_taken(cpu: int, memory: int) -> None:
    assert Ecs(cpu=cpu, memory=memory).to_json() == {
        "kind": "ecs",
        "cpu": cpu,
        "memory": memory,
        "spot": False,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"cpu": 300}, "Use one of 256, 512, 1024"),
        ({"cpu": "1024"}, "cpu='1024'"),
        ({"cpu": True}, "cpu=True"),
        ({"cpu": 256, "memory": 4096}, "memory is one of 512, 1024, 2048"),
        ({"cpu": 8192, "memory": 17408}, "memory=17408"),
        ({"memory": 2048.0}, "memory=2048.0"),
        ({"spot": "yes"}, "spot='yes'"),
        ({"gpu": 1}, "Did you mean 'cpu'?"),
    ],
)
def test_other_sizes_are_refused_with_those_there_are(arguments: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        Ecs(**arguments)

    assert said in str(refused.value)
    assert "test_compute_and_retry.py:" in str(refused.value)


def test_a_retry_policy_is_written_as_plain_values() -> None:
    policy = RetryPolicy(max_retries=3, delay=1.5, backoff=Backoff.EXPONENTIAL, jitter=Jitter.FULL)

    assert policy.to_json() == {
        "max_retries": 3,
        "delay": 1.5,
        "backoff": "EXPONENTIAL",
        "jitter": "FULL",
        "retry_on": None,
    }
    assert RetryPolicy() == RetryPolicy(1, None, None, None)


def test_the_exceptions_to_retry_are_named_by_module_and_class() -> None:
    policy = RetryPolicy(retry_on=(TimeoutError, DefinitionError))

    assert policy.to_json()["retry_on"] == [
        "builtins.TimeoutError",
        "tidegate.errors.DefinitionError",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"max_retries": -1}, "max_retries=-1"),
        ({"max_retries": True}, "max_retries=True"),
        ({"delay": 0}, "delay=0"),
        ({"delay": float("nan")}, "delay=nan"),
        ({"delay": "1"}, "delay='1'"),
        ({"delay": 1, "backoff": "LINEAR"}, "backoff='LINEAR'"),
        ({"delay": 1, "jitter": 1}, "jitter=1"),
        ({"backoff": Backoff.LINEAR}, "give `delay=` seconds"),
        ({"jitter": Jitter.FULL}, "give `delay=` seconds"),
        ({"retry_on": ()}, "retry_on=()"),
        ({"retry_on": (3,)}, "retry_on=(3,)"),
        ({"retry_on": KeyboardInterrupt}, "Give exception classes"),
        ({"retries": 1}, "Did you mean 'max_retries'?"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(arguments: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        RetryPolicy(**arguments)

    assert said in str(refused.value)


def test_lambda_may_name_the_container_it_escalates_to() -> None:
    assert Lambda().to_json() == {"kind": "lambda"}
    assert Lambda(escalate=Ecs(cpu=256, memory=512)).to_json() == {
        "kind": "lambda",
        "escalate": {"kind": "ecs", "cpu": 256, "memory": 512, "spot": False},
    }


@pytest.mark.parametrize("arguments", [{"escalate": "ecs"}, {"escalate": True}, {"memory": 512}])
def test_lambda_escalates_to_a_container_and_to_nothing_else(arguments: Any) -> None:
    with pytest.raises(DefinitionError, match="test_compute_and_retry.py:"):
        Lambda(**arguments)


def test_a_step_that_may_escalate_may_take_longer_than_lambda_allows() -> None:
    @op(compute=Lambda(escalate=Ecs(cpu=256, memory=512)), timeout=3600)
    def long() -> None: ...

    with pytest.raises(DefinitionError, match="or Lambda"):

        @op(compute=Lambda(), timeout=3600)
        def too_long() -> None: ...
