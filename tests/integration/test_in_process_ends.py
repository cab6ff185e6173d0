"""How a run that is one execution ends: failing fast, with hooks, cancelled, stopped, or by bad code of its steps."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.noted_hooks import CALLED, broken, cheer, complain, mourn, note
from tidegate import (
    Config,
    Definitions,
    DynamicOut,
    DynamicOutput,
    Ecs,
    HookContext,
    OpExecutionContext,
    RetryPolicy,
    RunConfig,
    in_process_executor,
    job,
    op,
    resource,
    success_hook,
)
from tidegate.testing import LocalDeployment
from tidegate.testing.views import RunView

Deploy = Callable[..., LocalDeployment]

EXECUTORS = ("in_process", "multiprocess")

_ran: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    CALLED.clear()
    _ran.clear()


@success_hook
def praise(context: HookContext) -> None:
    note(context)


@op
def good(context: OpExecutionContext) -> int:
    _ran.append(context.step_key)
    return 1


@op(retry_policy=RetryPolicy(max_retries=1))
def bad(context: OpExecutionContext, number: int) -> int:
    _ran.append(context.step_key)
    raise ValueError(f"cannot take {number}")


@op
def add_one(context: OpExecutionContext, number: int) -> int:
    _ran.append(context.step_key)
    return number + 1


@job(hooks={praise, complain, cheer, mourn})
def hooked() -> None:
    add_one(bad(good()))


@job(hooks={cheer})
def fine() -> None:
    good.with_hooks({broken})()


@job
def branches() -> None:
    number = good()
    add_one(bad(number))
    add_one.alias("later")(add_one.alias("beside")(number))


@op(out=DynamicOut(str))
def letters() -> Iterator[DynamicOutput[str]]:
    for letter in "abc":
        yield DynamicOutput(letter, letter)


@op
def picky(letter: str) -> None:
    if letter == "b":
        raise ValueError("not b")


@job
def spread() -> None:
    letters().map(picky)


@resource
def unruly(_: Any) -> Iterator[str]:
    yield "open"
    raise SystemExit(3)


@op(required_resource_keys={"door"})
def through(context: OpExecutionContext) -> str:
    return str(context.resources.door)


@job(resource_defs={"door": unruly}, executor_def=in_process_executor)
def closing() -> None:
    through()


class Place(Config):
    fifo: str
    told: str


@op(compute=Ecs(cpu=256, memory=512), retry_policy=RetryPolicy(max_retries=5))
def long_work(config: Place) -> int:
    """Says that it runs, and works on until it is told to stop."""
    try:
        Path(config.fifo).write_text(str(os.getpid()))
        time.sleep(60)
    except BaseException:
        with Path(config.told).open("a") as told:
            told.write("told ")
        raise
    return 1


@job(executor_def=in_process_executor)
def working() -> None:
    add_one(long_work())


class Marks(Config):
    file: str


@op(compute=Ecs(cpu=256, memory=512))
def forks(config: Marks) -> int:
    process = os.fork()
    if process:
        os.waitpid(process, 0)
    return 1


@op
def mark(config: Marks, number: int) -> int:
    with Path(config.file).open("a") as file:
        file.write("x")
    return number


@job(executor_def=in_process_executor)
def forking() -> None:
    mark(forks())


DEFS = Definitions(jobs=[hooked, fine, branches, spread, closing, working, forking])


def submit(tg: LocalDeployment, name: str, executor: str, **fields: Any) -> str:
    config = {"execution": {"config": {executor: {}}}}
    return tg.submit(name, run_config=config, **fields)


def told(view: RunView) -> list[tuple[str, str | None, str]]:
    """What a user reads of it, in no order: steps of a run may be done in any."""
    kinds = ("STEP_START", "LOG", "ENGINE_EVENT")
    return sorted((e.kind, e.step or "", e.message) for e in view.events if e.kind not in kinds)


def assert_free(tg: LocalDeployment) -> None:
    assert {key: one.in_use for key, one in tg.limits.items() if one.in_use} == {}


@pytest.mark.parametrize("name", ["hooked", "fine"])
def test_hooks_are_called_as_they_are_when_every_step_is_an_execution(
    deploy: Deploy, name: str
) -> None:
    tg, seen = deploy(DEFS), {}
    for executor in EXECUTORS:
        CALLED.clear()
        run = submit(tg, name, executor)
        tg.advance(minutes=5)
        view = tg.run(run)
        seen[executor] = (list(CALLED), view.status, view.reason, view.reasons, told(view))

    assert seen["in_process"] == seen["multiprocess"]
    if name == "hooked":
        assert CALLED == [
            ("praise", "good", ""),
            ("complain", "bad", "ValueError: cannot take 1 (attempt 2, the last)"),
            ("mourn", None, "step failed: bad"),
        ]


@pytest.mark.parametrize("how", ["call", "tag", "setting"])
def test_a_run_that_fails_fast_stops_at_the_first_failed_step(deploy: Deploy, how: str) -> None:
    settings = {"run_monitoring": {"fail_fast": True}} if how == "setting" else {}
    tg = deploy(DEFS, settings=settings)
    asked: dict[str, Any] = {
        "call": {"fail_fast": True},
        "tag": {"tags": {"tidegate/fail_fast": "true"}},
        "setting": {},
    }[how]
    config = {"execution": {"config": {"in_process": {}}}}

    run_id = tg.call("submit", job="branches", run_config=config, **asked)["run_id"]
    tg.settle()

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.reason == "step failed: bad; the rest was stopped (fail-fast)"
    assert run.steps == {
        "good": "SUCCESS",
        "bad": "FAILURE",
        "add_one": "SKIPPED",
        "beside": "SKIPPED",
        "later": "SKIPPED",
    }
    assert _ran == ["good", "bad", "bad"]
    kinds = [one.kind for one in run.events]
    assert (kinds.count("RUN_CANCELING"), kinds.count("RUN_FAILURE")) == (1, 1)
    assert_free(tg)


def test_a_run_that_fails_fast_names_the_value_whose_step_failed(deploy: Deploy) -> None:
    seen = {}
    tg = deploy(DEFS)
    for executor in EXECUTORS:
        run_id = submit(tg, "spread", executor, tags={"tidegate/fail_fast": "true"})
        tg.settle()
        seen[executor] = tg.run(run_id).reason

    assert seen["in_process"] == "step failed: picky[b]; the rest was stopped (fail-fast)"
    assert seen["in_process"] == seen["multiprocess"]


def test_a_run_that_says_it_does_not_fail_fast_goes_on(deploy: Deploy) -> None:
    tg = deploy(DEFS, settings={"run_monitoring": {"fail_fast": True}})

    run_id = submit(tg, "branches", "in_process", tags={"tidegate/fail_fast": "false"})
    tg.settle()

    run = tg.run(run_id)
    assert run.reason == "step failed: bad"
    assert (run.steps["later"], run.steps["add_one"]) == ("SUCCESS", "SKIPPED")


def test_cancelled_on_lambda_its_slots_are_free_at_once(deploy: Deploy) -> None:
    settings = {"concurrency": {"runs": {"max_concurrent_runs": 1}}}
    tg = deploy(DEFS, settings=settings, step_seconds=60)
    run_id, queued = submit(tg, "hooked", "in_process"), submit(tg, "fine", "in_process")
    tg.advance(seconds=30)
    assert set(tg.run(run_id).steps.values()) == {"PENDING"}

    tg.cancel(run_id, reason="not needed")
    tg.settle()

    run = tg.run(run_id)
    assert (run.status, run.reason) == ("CANCELED", "Cancelled: not needed.")
    assert set(run.steps.values()) == {"SKIPPED"}
    assert tg.run_status(queued) == "STARTED"
    tg.advance(minutes=5)
    assert tg.run(run_id) == run
    assert tg.run_status(queued) == "SUCCESS"
    assert [one for one in CALLED if one[0] != "cheer"] == []
    assert_free(tg)


def test_cancelled_in_a_container_it_is_told_once_and_no_step_begins_after_that(
    deploy: Deploy, tmp_path: Path
) -> None:
    tg = deploy(DEFS)
    fifo, heard = tmp_path / "fifo", tmp_path / "told"
    os.mkfifo(fifo)
    config = RunConfig(ops={"long_work": Place(fifo=str(fifo), told=str(heard))})
    run_id = tg.submit("working", run_config=config)

    def cancel() -> None:
        fifo.read_text()
        tg.cancel(run_id)

    asks = threading.Thread(target=cancel)
    asks.start()
    tg.settle()
    asks.join()
    tg.settle()

    run = tg.run(run_id)
    assert run.status == "CANCELED"
    assert set(run.steps.values()) == {"SKIPPED"}
    assert heard.read_text() == "told "
    assert_free(tg)


def test_told_to_stop_by_anybody_else_the_run_fails_and_says_so(
    deploy: Deploy, tmp_path: Path
) -> None:
    tg = deploy(DEFS)
    fifo, heard = tmp_path / "fifo", tmp_path / "told"
    os.mkfifo(fifo)
    config = RunConfig(ops={"long_work": Place(fifo=str(fifo), told=str(heard))})
    run_id = tg.submit("working", run_config=config)
    kill = threading.Thread(target=lambda: os.kill(int(fifo.read_text()), signal.SIGTERM))
    kill.start()

    tg.settle()
    kill.join()

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.reason is not None and run.reason.startswith("Stopped: The container was told")
    assert run.steps == {"long_work": "FAILURE", "add_one": "SKIPPED"}
    assert heard.read_text() == "told "


def test_a_copy_that_a_step_makes_of_the_process_runs_no_further_steps(
    deploy: Deploy, tmp_path: Path
) -> None:
    tg = deploy(DEFS)
    file = str(tmp_path / "marks")

    run_id = tg.submit(
        "forking", run_config=RunConfig(ops={"forks": Marks(file=file), "mark": Marks(file=file)})
    )
    tg.settle()

    assert tg.run(run_id).steps == {"forks": "SUCCESS", "mark": "SUCCESS"}
    assert Path(file).read_text() == "x"


def test_a_resource_that_exits_as_it_is_closed_loses_nothing_of_the_steps(
    deploy: Deploy,
) -> None:
    tg = deploy(DEFS)

    run_id = tg.submit("closing")
    tg.settle()

    run = tg.run(run_id)
    assert (run.status, run.reason) == ("FAILURE", "SystemExit: The step called exit(3).")
    assert run.steps == {"through": "SUCCESS"}
    assert tg.output(run_id, "through") == "open"
