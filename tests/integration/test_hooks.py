"""Hooks: user code called after a step or a run, in an execution of its own; what it does changes nothing of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.noted_hooks import CALLED, broken, cheer, complain, mourn, note
from tidegate import (
    Definitions,
    HookContext,
    OpExecutionContext,
    RetryPolicy,
    asset,
    define_asset_job,
    job,
    op,
    success_hook,
)
from tidegate.local.faults import Fault
from tidegate.testing import LocalDeployment
from tidegate.testing.views import RunView

Deploy = Callable[..., LocalDeployment]


@pytest.fixture(autouse=True)
def _forget() -> None:
    CALLED.clear()


@success_hook(required_resource_keys={"mail"})
def praise(context: HookContext) -> None:
    context.log.info("to %s", context.resources.mail)
    note(context)


@op
def good() -> int:
    return 1


@op(retry_policy=RetryPolicy(max_retries=1))
def bad(context: OpExecutionContext, number: int) -> int:
    raise ValueError(f"cannot take {number}")


@op
def never(number: int) -> None: ...


ALL = {praise, complain, cheer, mourn}


@job(hooks=ALL)
def failing() -> None:
    never(bad(good()))


@job(hooks={cheer})
def fine() -> None:
    good.with_hooks({broken})()


@asset
def table() -> int:
    return 1


DEFS = Definitions(
    assets=[table],
    jobs=[failing, fine, define_asset_job("tables", hooks={praise, cheer})],
    resources={"mail": "ops@example.com"},
)


def hook_events(view: RunView) -> list[tuple[str, str | None, str]]:
    return [(e.kind, e.step, e.message) for e in view.events if e.kind.startswith("HOOK_")]


def test_hooks_are_called_once_after_the_steps_and_the_run_they_are_about(deploy: Deploy) -> None:
    tg = deploy(DEFS)

    run = tg.submit("failing")
    tg.advance(minutes=5)

    assert tg.run(run).status == "FAILURE"
    assert CALLED == [
        ("praise", "good", ""),
        ("complain", "bad", "ValueError: cannot take 1 (attempt 2, the last)"),
        ("mourn", None, "step failed: bad"),
    ]
    assert sorted(hook_events(tg.run(run)), key=str) == [
        ("HOOK_COMPLETED", "bad", "complain"),
        ("HOOK_COMPLETED", "good", "praise"),
        ("HOOK_COMPLETED", None, "mourn"),
    ]
    assert "to ops@example.com" in [one.message for one in tg.run(run).events]


def test_a_hook_that_raises_is_recorded_and_changes_nothing_of_the_run(deploy: Deploy) -> None:
    tg = deploy(DEFS)

    run = tg.submit("fine")
    tg.settle()

    assert tg.run(run).status == "SUCCESS"
    assert hook_events(tg.run(run)) == [
        ("HOOK_ERRORED", "good", "broken: RuntimeError: the hook is broken"),
        ("HOOK_COMPLETED", None, "cheer"),
    ]


def test_a_job_of_assets_has_hooks_for_all_of_its_steps(deploy: Deploy) -> None:
    tg = deploy(DEFS)

    tg.submit("tables")
    tg.materialize("table")
    tg.settle()

    assert CALLED == [("praise", "table", ""), ("cheer", None, "")]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.ANSWER_LOST])
def test_a_function_that_dies_while_it_starts_a_hook_starts_it_again(
    deploy: Deploy, fault: Fault, number: int
) -> None:
    tg = deploy(DEFS)
    armed = tg.faults.at(number, fault, service="stepfunctions", operation="StartExecution")

    run = tg.submit("fine")
    tg.advance(minutes=10)

    assert armed.fired
    assert tg.run(run).status == "SUCCESS"
    assert len(hook_events(tg.run(run))) == 2


def test_in_process_hooks_are_called_as_in_a_deployment() -> None:
    result = failing.execute_in_process(raise_on_error=False, resources={"mail": "nobody"})
    other = fine.execute_in_process()

    assert CALLED == [
        ("praise", "good", ""),
        ("complain", "bad", "cannot take 1"),
        ("mourn", None, "cannot take 1"),
        ("cheer", None, ""),
    ]
    assert not result.success
    kinds: list[Any] = [one.event_type_value for one in other.all_events]
    assert "HOOK_ERRORED" in kinds
