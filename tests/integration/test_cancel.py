"""Cancelling runs through the real handlers, tables and state machine: on Lambda, in containers, queued and waiting."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tidegate import Config, Definitions, Ecs, RunConfig, job, op
from tidegate.errors import RequestError, UnknownRunError
from tidegate.local.faults import Fault
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]


@op
def first() -> int:
    return 1


@op(pool="db")
def query(number: int) -> int:
    return number


@op
def last(left: int, right: int) -> None: ...


@job(tags={"team": "sea"})
def queries() -> None:
    number = first()
    last(query.alias("left")(number), query.alias("right")(number))


class Place(Config):
    fifo: str
    told: str
    is_deaf: bool


@op(compute=Ecs(cpu=256, memory=512))
def long_work(config: Place) -> None:
    """Says that it runs, and works on until it is told to stop."""
    if config.is_deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        Path(config.fifo).write_text(str(os.getpid()))
        time.sleep(60)
    except BaseException:
        Path(config.told).write_text("told")
        raise


@job
def working() -> None:
    long_work()


definitions = Definitions(jobs=[queries, working])
SETTINGS = {"concurrency": {"runs": {"max_concurrent_runs": 1}, "pools": {"limits": {"db": 1}}}}


def in_use(tg: LocalDeployment) -> dict[str, int]:
    return {key: one.in_use for key, one in tg.limits.items() if one.in_use}


def statuses_of_executions(tg: LocalDeployment) -> list[str]:
    machines = tg._deployment.aws.step_functions.executions.values()
    return [str(one.status) for one in machines if one.machine_name == "tidegate-step"]


def test_a_running_run_is_canceled_and_the_next_one_takes_its_slots(deploy: Deploy) -> None:
    tg = deploy(definitions, settings=SETTINGS, step_seconds=60)
    run_id, queued = tg.submit("queries"), tg.submit("queries")
    tg.advance(seconds=90)

    answered = tg.cancel(run_id, reason="not needed")
    tg.settle()

    assert answered == "CANCELING"
    run = tg.run(run_id)
    assert (run.status, run.reason) == ("CANCELED", "Cancelled: not needed.")
    assert run.steps == {
        "first": "SUCCESS",
        "left": "CANCELED",
        "right": "SKIPPED",
        "last": "SKIPPED",
    }
    assert statuses_of_executions(tg) == ["SUCCEEDED", "ABORTED", "RUNNING"]
    assert tg.run_status(queued) == "STARTED"
    assert run.finished_at == tg.now
    tg.advance(minutes=5)
    assert tg.run(run_id) == run
    assert tg.run_status(queued) == "SUCCESS"
    assert in_use(tg) == {}


def test_a_queued_run_is_canceled_at_once(deploy: Deploy) -> None:
    tg = deploy(definitions, settings=SETTINGS, step_seconds=60)
    running, queued = tg.submit("queries"), tg.submit("queries")
    tg.settle()

    answered = tg.cancel(queued)

    assert answered == "CANCELED"
    assert tg.queue() == []
    assert set(tg.run(queued).steps.values()) == {"SKIPPED"}
    tg.advance(minutes=5)
    assert tg.run_status(running) == "SUCCESS"


def test_a_run_canceled_before_the_queue_function_has_seen_it_never_starts(deploy: Deploy) -> None:
    tg = deploy(definitions, settings=SETTINGS)
    run_id = tg.submit("queries")

    tg.cancel(run_id)
    tg.settle()

    run = tg.run(run_id)
    assert (run.status, run.started_at) == ("CANCELED", None)
    assert [one.kind for one in run.events] == ["RUN_CANCELING", "RUN_CANCELED"]
    assert statuses_of_executions(tg) == []
    assert in_use(tg) == {}


def test_a_step_that_waits_for_a_pool_leaves_its_line(deploy: Deploy) -> None:
    tg = deploy(definitions, settings=SETTINGS, step_seconds=60)
    tg.set_limit("pool/db", 0)
    run_id = tg.submit("queries")
    tg.advance(seconds=90)
    assert tg.limits["pool/db"].waiting == 2

    tg.cancel(run_id)
    tg.settle()

    assert tg.limits["pool/db"].waiting == 0
    assert tg.run(run_id).steps == {
        "first": "SUCCESS",
        "left": "SKIPPED",
        "right": "SKIPPED",
        "last": "SKIPPED",
    }


def test_cancelling_twice_and_what_is_over_changes_nothing(deploy: Deploy) -> None:
    tg = deploy(definitions, settings=SETTINGS, step_seconds=60)
    run_id, other = tg.submit("queries"), tg.submit("queries")
    tg.settle()
    tg.cancel(run_id)
    tg.cancel(run_id)
    tg.settle()
    canceled = tg.run(run_id)
    tg.advance(minutes=5)
    finished = tg.run(other)

    assert [tg.cancel(run_id), tg.cancel(other)] == ["CANCELED", "SUCCESS"]
    tg.settle()
    assert [tg.run(run_id), tg.run(other)] == [canceled, finished]
    with pytest.raises(UnknownRunError, match="no run 'nothing'"):
        tg.cancel("nothing")


@pytest.mark.parametrize("is_deaf", [False, True])
def test_a_container_is_told_to_stop_and_killed_if_it_does_not(
    deploy: Deploy, tmp_path: Path, is_deaf: bool
) -> None:
    tg = deploy(definitions, settings=SETTINGS)
    fifo, told = tmp_path / "fifo", tmp_path / "told"
    os.mkfifo(fifo)
    config = RunConfig({"long_work": Place(fifo=str(fifo), told=str(told), is_deaf=is_deaf)})
    run_id = tg.submit("working", run_config=config)

    def cancel_when_it_runs() -> None:
        assert int(fifo.read_text())
        tg.cancel(run_id)

    thread = threading.Thread(target=cancel_when_it_runs)
    thread.start()
    tg.settle()
    thread.join()
    tg.settle()

    assert tg.run(run_id).steps == {"long_work": "CANCELED"}
    assert tg.run_status(run_id) == "CANCELED"
    assert told.exists() == (not is_deaf)
    (task,) = tg._deployment.aws.ecs.tasks.values()
    assert (task.status, task.exit_code == 137) == ("STOPPED", is_deaf)
    assert in_use(tg) == {}


def test_an_execution_that_somebody_aborts_fails_its_step(deploy: Deploy) -> None:
    tg = deploy(definitions, settings=SETTINGS, step_seconds=60)
    run_id = tg.submit("queries")
    tg.settle()
    aws = tg._deployment.aws
    (execution,) = aws.step_functions.executions

    aws.client("stepfunctions").stop_execution(executionArn=execution, cause="By hand.")
    tg.settle()

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.reasons["first"] == "Aborted: By hand."


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_cancel_whose_function_dies_is_carried_on(deploy: Deploy, fault: Fault) -> None:
    tg = deploy(definitions, settings=SETTINGS, step_seconds=600)
    run_id = tg.submit("queries")
    tg.settle()
    tg.cancel(run_id)
    armed = tg.faults.at(1, fault, operation="StopExecution")

    tg.settle()
    assert tg.run_status(run_id) == "CANCELING"
    tg.advance(minutes=1)

    assert armed.fired
    assert tg.run_status(run_id) == "CANCELED"
    assert statuses_of_executions(tg) == ["ABORTED"]


def many(tg: LocalDeployment) -> dict[str, int]:
    for _ in range(5):
        tg.submit("queries")
    tg.submit("queries", tags={"team": "land"})
    tg.settle()
    return {"QUEUED": 5, "STARTED": 1}


def test_many_are_counted_and_canceled_in_batches(deploy: Deploy) -> None:
    tg = deploy(
        definitions,
        settings={**SETTINGS, "backfills": {"cancel_batch_size": 2}},
        step_seconds=60,
    )
    expected = many(tg)

    counted: dict[str, int] = {}
    batches, cursor = 0, None
    while True:
        answer = tg.call("runs.cancel_many", cursor=cursor, by="ada")
        batches, cursor = batches + 1, answer["cursor"]
        assert sum(answer["runs"].values()) <= 2
        for status, number in answer["runs"].items():
            counted[status] = counted.get(status, 0) + number
        if cursor is None:
            break
    tg.settle()

    assert counted == expected
    assert batches > 2
    assert {tg.run_status(one) for one in tg.runs()} == {"CANCELED"}
    assert tg.run(tg.runs()[0]).reason == "Cancelled by ada."
    assert statuses_of_executions(tg) == ["ABORTED"]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"job": "queries"}, {"QUEUED": 5, "STARTED": 1}),
        ({"job": "working"}, {}),
        ({"status": "queued"}, {"QUEUED": 5}),
        ({"status": "STARTED"}, {"STARTED": 1}),
        ({"tags": {"team": "land"}}, {"QUEUED": 1}),
        ({"tags": {"team": ""}}, {"QUEUED": 5, "STARTED": 1}),
        ({"tags": {"team": "sea"}, "status": "QUEUED"}, {"QUEUED": 4}),
    ],
)
def test_what_fits_is_counted_and_nothing_else_is_canceled(
    deploy: Deploy, wanted: dict[str, object], fits: dict[str, int]
) -> None:
    tg = deploy(definitions, settings=SETTINGS, step_seconds=60)
    many(tg)

    counted = tg.call("runs.cancel_many", only_count=True, **wanted)
    before = [tg.run_status(one) for one in tg.runs()]
    tg.call("runs.cancel_many", **wanted)
    tg.settle()

    assert (counted["runs"], counted["cursor"]) == (fits, None)
    assert "CANCELED" not in before
    canceled = [one for one in tg.runs() if tg.run_status(one) == "CANCELED"]
    assert len(canceled) == sum(fits.values())


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"status": "SUCCESS"}, "not over"),
        ({"status": "nothing"}, "no run status"),
        ({"cursor": "x"}, "no cursor"),
        ({"only_count": "yes"}, "true or false"),
    ],
)
def test_a_cancellation_that_makes_no_sense_is_refused(
    deploy: Deploy, wanted: dict[str, object], says: str
) -> None:
    tg = deploy(definitions, settings=SETTINGS)

    with pytest.raises(RequestError, match=says):
        tg.call("runs.cancel_many", **wanted)


def test_a_step_whose_container_is_lost_fails_at_once(deploy: Deploy, tmp_path: Path) -> None:
    tg = deploy(definitions, settings=SETTINGS)
    fifo, told = tmp_path / "fifo", tmp_path / "told"
    os.mkfifo(fifo)
    config = RunConfig({"long_work": Place(fifo=str(fifo), told=str(told), is_deaf=False)})
    run_id = tg.submit("working", run_config=config)
    aws = tg._deployment.aws

    def lose_it_when_it_runs() -> None:
        assert int(fifo.read_text())
        (task,) = aws.ecs.tasks
        aws.loop.submit_from_thread(lambda: aws.ecs.lose(task))

    thread = threading.Thread(target=lose_it_when_it_runs)
    thread.start()
    tg.settle()
    thread.join()
    tg.settle()

    run = tg.run(run_id)
    assert run.status == "FAILURE"
    assert run.reasons["long_work"].startswith("Crash: ")
    assert "Host terminated" in run.reasons["long_work"]
    assert not told.exists()
    assert in_use(tg) == {}
