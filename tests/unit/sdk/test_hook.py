from __future__ import annotations

from typing import Any

import pytest

from tidegate import (
    Definitions,
    HookContext,
    build_hook_context,
    failure_hook,
    graph,
    job,
    op,
    run_failure_hook,
    success_hook,
)
from tidegate.errors import DefinitionError
from tidegate.manifest.compiler import compile_manifest


@success_hook
def told(context: HookContext) -> str:
    return f"{context.job_name}/{context.step_key}/{context.resources.mail}"


@failure_hook(name="shouted")
def shout(context: HookContext) -> None: ...


@run_failure_hook
def mourn(context: HookContext) -> None: ...


@op
def one() -> int:
    return 1


@graph
def inner() -> Any:
    return one()


def test_a_hook_is_called_as_a_function_in_a_test() -> None:
    context = build_hook_context(job_name="j", step_key="s", resources={"mail": "m"})

    assert told(context) == "j/s/m"


def test_a_step_has_the_hooks_of_its_call_of_the_graph_around_it_and_of_its_job() -> None:
    @job(hooks={told, mourn})
    def both() -> None:
        one.alias("plain")()
        inner.with_hooks({shout})()

    document = compile_manifest(Definitions(jobs=[both]), location="here", code_version="1")
    plan = document.plan("both")

    hooks = {step.key: step.hooks for step in plan.steps}
    assert hooks == {
        "plain": (("told", "success"),),
        "inner.one": (("shouted", "failure"), ("told", "success")),
    }
    assert [one["name"] for one in document.job("both")["hooks"]] == ["mourn", "told"]


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        (told, "Give a set"),
        ("told", "Give a set"),
        ([print], "@success_hook"),
        ([told, success_hook(name="told")(print)], "two hooks named 'told'"),
    ],
)
def test_what_are_no_hooks_is_refused(hooks: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:

        @job(hooks=hooks)
        def wrong() -> None:
            one()

    assert said in str(refused.value)


def test_a_hook_of_runs_is_not_for_a_step() -> None:
    with pytest.raises(DefinitionError, match="one of runs"):
        one.with_hooks({mourn})


@pytest.mark.parametrize("wrong", [3, type("T", (), {})])
def test_what_is_no_function_is_no_hook(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match="Decorate a function"):
        success_hook(wrong)


def test_a_name_in_place_of_resource_keys_is_refused() -> None:
    with pytest.raises(DefinitionError, match="Give a set of keys"):
        success_hook(required_resource_keys="mail")(print)
