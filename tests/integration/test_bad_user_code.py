"""Whatever user code does to itself, its step has a clear outcome, its slots are free, and other steps notice nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tidegate import Definitions, Ecs, OpExecutionContext, asset, job, op
from tidegate.errors import RequestError
from tidegate.local import ecs
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]
SMALL = Ecs(cpu=256, memory=512)
PORT = "BAD_USER_CODE_PORT"


@asset(compute=SMALL, pool="press")
def leaves() -> None:
    os._exit(0)


@asset(compute=SMALL, pool="press")
def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@asset(compute=SMALL, pool="press")
def starves() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
    bytearray(2**32)


@asset(compute=SMALL, pool="press")
def forks() -> int:
    """Both go on, and both come back from here."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return 1 if child else 2


@asset(compute=SMALL, pool="press")
def bystander() -> int:
    return 7


@asset(compute=SMALL)
def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.create_connection(("127.0.0.1", int(os.environ[PORT]))) as test:
        test.recv(1)


in_containers = Definitions(assets=[leaves, dies, starves, forks, bystander, deaf])


def test_code_that_ends_its_own_process_is_a_failure_that_says_how(deploy: Deploy) -> None:
    tg = deploy(in_containers, settings={"concurrency": {"pools": {"limits": {"press": 2}}}})

    run_id = tg.materialize("leaves or dies or starves or forks or bystander")
    tg.settle()

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.steps == {
        "leaves": "FAILURE",
        "dies": "FAILURE",
        "starves": "FAILURE",
        "forks": "SUCCESS",
        "bystander": "SUCCESS",
    }
    assert run.reasons["leaves"].endswith("(exit code 0). It left no report.")
    assert "(exit code 137). It was killed, as when memory runs out." in run.reasons["dies"]
    assert run.reasons["starves"].startswith("MemoryError")
    assert (tg.value("bystander"), tg.limits["pool/press"].in_use) == (7, 0)


def test_of_a_process_that_forked_there_is_one_report_and_it_is_the_originals(
    deploy: Deploy,
) -> None:
    tg = deploy(in_containers)

    run_id = tg.materialize("forks")
    tg.settle()

    kinds = [one.kind for one in tg.run(run_id).events]
    assert kinds.count("STEP_SUCCESS") == kinds.count("ASSET_MATERIALIZATION") == 1
    assert tg.value("forks") == 1


def test_code_that_ignores_sigterm_is_killed_and_its_step_says_so(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ecs, "SPOT_NOTICE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv(PORT, str(server.getsockname()[1]))
        tg = deploy(in_containers)
        aws = tg._deployment.aws
        deaf_now: list[socket.socket] = []

        def interrupt() -> None:
            deaf_now.append(server.accept()[0])
            (task,) = aws.ecs.tasks
            aws.loop.submit_from_thread(lambda: aws.ecs.interrupt(task))

        thread = threading.Thread(target=interrupt)
        thread.start()
        run_id = tg.materialize("deaf")
        tg.settle()
        thread.join()
        deaf_now[0].close()

    assert "Spot Task was interrupted (exit code 137)" in tg.run(run_id).reasons["deaf"]


@op(pool="press")
def writes_50_mb(context: OpExecutionContext) -> None:
    line = "x" * 50_000
    for number in range(1_000):
        context.log.info("%d %s", number, line)


@op(pool="press")
def answers_the_wrong_type() -> int:
    return "three"  # type: ignore[return-value]


@op(pool="press")
def answers_what_cannot_be_stored() -> Any:
    return threading.Lock()


@op(pool="press")
def exits() -> None:
    raise SystemExit(3)


@op(pool="press")
def forks_on_lambda() -> int:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return 1 if child else 2


@op(pool="press")
def says_too_much(context: OpExecutionContext) -> None:
    context.add_output_metadata({"all": "x" * 20_000_000})


@job
def everything_wrong() -> None:
    writes_50_mb()
    answers_the_wrong_type()
    answers_what_cannot_be_stored()
    exits()
    forks_on_lambda()
    says_too_much()


on_lambda = Definitions(jobs=[everything_wrong])


def test_code_that_answers_badly_is_a_failure_that_says_what_was_wrong(deploy: Deploy) -> None:
    tg = deploy(on_lambda, settings={"concurrency": {"pools": {"limits": {"press": 1}}}})

    run_id = tg.submit("everything_wrong")
    tg.settle()

    run = tg.run(run_id)
    failed = {key for key, status in run.steps.items() if status == "FAILURE"}
    assert failed == set(run.steps) - {"writes_50_mb", "forks_on_lambda"}
    assert "str" in run.reasons["answers_the_wrong_type"]
    assert "lock" in run.reasons["answers_what_cannot_be_stored"]
    assert run.reasons["exits"].startswith("SystemExit")
    assert "link to what is large" in run.reasons["says_too_much"]
    assert tg.output(run_id, "forks_on_lambda") == 1
    assert tg.limits["pool/press"].in_use == 0


def test_a_log_of_50_mb_is_shown_in_pages_its_beginning_and_its_end(deploy: Deploy) -> None:
    tg = deploy(on_lambda)
    run_id = tg.submit("everything_wrong")
    tg.settle()

    pages, cursor = [], None
    while True:
        page = tg.call("runs.logs", run_id=run_id, limit=500, cursor=cursor)
        pages.append(page["events"])
        cursor = page["cursor"]
        if cursor is None:
            break

    said = [
        one["message"]
        for page in pages
        for one in page
        if (one["kind"], one["step"]) == ("LOG", "writes_50_mb")
    ]
    numbers = [int(one.split()[0]) for one in said if "left out" not in one]
    assert (numbers[0], numbers[-1]) == (0, 999)
    assert numbers == sorted(set(numbers))
    assert any("MB) are left out here" in one for one in said)
    assert max(len(json.dumps(page)) for page in pages) < 3_000_000
    assert len(pages) > 2


@pytest.mark.parametrize("cursor", ["+x", "+-1", "nonsense+3"])
def test_what_is_no_cursor_of_a_log_is_refused(deploy: Deploy, cursor: str) -> None:
    tg = deploy(on_lambda)
    run_id = tg.submit("everything_wrong")

    with pytest.raises(RequestError, match="is no cursor"):
        tg.call("runs.logs", run_id=run_id, cursor=cursor)
