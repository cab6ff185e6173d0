"""A container that falls silent, on the deployed state machine: its task is stopped, and the slot is free."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidegate import Definitions, Ecs, RetryPolicy, asset
from tidegate.domain.heartbeat import beat_key, beat_of
from tidegate.local.faults import Hang
from tidegate.testing import LocalDeployment


@asset(compute=Ecs(cpu=256, memory=512), pool="press", retry_policy=RetryPolicy(max_retries=1))
def tide() -> int:
    return 7


defs = Definitions(assets=[tide])


def test_a_silent_container_is_stopped_and_its_step_is_tried_again(
    deploy: Callable[..., LocalDeployment],
) -> None:
    tg = deploy(defs, settings={"concurrency": {"pools": {"limits": {"press": 1}}}})
    aws = tg._deployment.aws

    def hangs(environ: Mapping[str, str]) -> int:
        raise Hang

    aws.register_task(hangs)
    run_id = tg.materialize("tide")
    tg.settle()
    for _ in range(4):
        body = beat_of(tg.now)
        aws.client("s3").put_object(Bucket=aws.bucket, Key=beat_key(run_id, 0, 1), Body=body)
        tg.advance(minutes=10)
    alive = tg.run(run_id).steps

    tg.advance(minutes=20)

    assert alive == {"tide": "STARTED"}
    first, second = aws.ecs.tasks.values()
    assert (first.status, second.status) == ("STOPPED", "RUNNING")
    (failed,) = [one for one in tg.run(run_id).events if one.kind == "STEP_UP_FOR_RETRY"]
    assert failed.message.startswith("Lost: The container gave its last sign of life")
    assert tg.limits["pool/press"].in_use == 1
