"""Submit when the queue cannot be woken: the run that is there is answered, and admitted later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.app.manifests import step_doc
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.errors import DeploymentError, StoreError, ThrottledError, UnavailableError

Make = Callable[..., Any]


def refuse(tg: Any, error: Exception) -> None:
    def enqueue(run_id: str) -> None:
        raise error

    tg.services.queue.enqueue = enqueue


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
