"""A step that Lambda has too little memory for, on the deployed state machine."""

from __future__ import annotations

import os
from collections.abc import Callable

from tidegate import Definitions, Ecs, Lambda, asset
from tidegate.testing import LocalDeployment


@asset(compute=Lambda(escalate=Ecs(cpu=256, memory=1024)))
def grows() -> str:
    if "TIDEGATE_INVOCATION" not in os.environ:
        raise MemoryError("more than Lambda has")
    return "made on ECS"


defs = Definitions(assets=[grows])


def test_a_step_without_a_retry_policy_goes_on_on_ecs(
    deploy: Callable[..., LocalDeployment],
) -> None:
    tg = deploy(defs)

    run_id = tg.materialize("grows")
    tg.settle()

    run = tg.run(run_id)
    assert (run.status, tg.value("grows")) == ("SUCCESS", "made on ECS")
    escalated = [one for one in run.events if one.kind == "STEP_UP_FOR_RETRY"]
    assert [one.data["escalated"] for one in escalated] == [True]
    (step,) = tg.call("runs.show", run_id=run_id)["steps"]
    assert (step["attempt"], step["escalated"]) == (2, True)
