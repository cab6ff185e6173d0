"""Submit when the queue cannot be woken: the run that is there is answered, and admitted later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.unit.app.manifests import step_doc
from tidegate.app.runs.admit import admit_all
from tidegate.app.runs.submit import RunRequest, new_run, submit, submit_all
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.errors import DeploymentError, StoreError, ThrottledError, UnavailableError

Make = Callable[..., Any]


def refuse(tg: Any, error: Exception) -> None:
    def enqueue(run_id: str) -> None:
        raise error

    def enqueue_all(run_ids: Sequence[str]) -> None:
        raise error

    tg.services.queue.enqueue = enqueue
    tg.services.queue.enqueue_all = enqueue_all


@pytest.mark.parametrize("error", [ThrottledError("busy"), UnavailableError("silent")])
def test_a_run_whose_queue_could_not_be_woken_is_answered_and_admitted_by_the_sweep(
    world: Make, error: StoreError
) -> None:
    tg = world(one=[step_doc("a")])
    refuse(tg, error)

    run = submit(tg.services, RunRequest(job="one"))

    assert [one.run_id for one in tg.store.runs.find().items] == [run.run_id]
    tg.clock.advance(GRACE)
    assert sweep(tg.services) == {"unadmitted": 1}
    tg.settle()
    assert tg.status(run.run_id) == "SUCCESS"


def test_that_there_is_no_queue_function_is_said(world: Make) -> None:
    tg = world(one=[step_doc("a")])
    refuse(tg, DeploymentError("There is no function."))

    with pytest.raises(DeploymentError):
        submit(tg.services, RunRequest(job="one"))


def test_many_runs_are_handed_to_the_queue_together_and_each_is_admitted_once(world: Make) -> None:
    tg = world(one=[step_doc("a")])
    asked = [new_run(tg.services, RunRequest(job="one", run_key=str(n))) for n in range(3)]

    for _ in range(2):
        submit_all(tg.services, asked)

    tg.settle()
    assert [tg.status(run.run_id) for run in asked] == ["SUCCESS"] * 3
    assert len(tg.store.runs.find().items) == 3


@pytest.mark.parametrize("error", [ThrottledError("busy"), UnavailableError("silent")])
def test_many_runs_whose_queue_could_not_be_woken_are_admitted_by_the_sweep(
    world: Make, error: StoreError
) -> None:
    tg = world(one=[step_doc("a")])
    refuse(tg, error)

    submit_all(
        tg.services,
        [new_run(tg.services, RunRequest(job="one", run_key=str(n))) for n in range(2)],
    )

    tg.clock.advance(GRACE)
    assert sweep(tg.services) == {"unadmitted": 2}


def test_a_run_that_cannot_be_admitted_now_does_not_keep_the_others(world: Make) -> None:
    tg = world(one=[step_doc("a")])
    ids = [tg.submit("one", run_key=str(n)) for n in range(3)]
    tg.wake_ups.waiting.clear()
    get = tg.store.runs.get

    def read(run_id: str) -> Any:
        if run_id == ids[0]:
            raise ThrottledError("busy")
        return get(run_id)

    tg.store.runs.get = read
    with pytest.raises(ThrottledError):
        admit_all(tg.services, ids)
    tg.store.runs.get = get

    tg.settle()
    assert [tg.status(one) for one in ids] == ["QUEUED", "SUCCESS", "SUCCESS"]
    admit_all(tg.services, ids)
    tg.settle()
    assert [tg.status(one) for one in ids] == ["SUCCESS"] * 3
