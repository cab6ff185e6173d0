"""A deploy in the middle: a run executes on the code and the manifest it was submitted to; limits change at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidegate import Definitions, Ecs, asset, job, op
from tidegate.errors import UnknownJobError
from tidegate.testing import LocalDeployment

Deploy = Callable[..., LocalDeployment]
ONE_AT_A_TIME = {"concurrency": {"runs": {"max_concurrent_runs": 1}}}


def _version(name: str) -> Definitions:
    """Job ``report``, whose steps answer ``name``, and which the second version gave one step more."""

    @op(pool="press")
    def write() -> str:
        return name

    @op
    def send(text: str) -> str:
        return f"{text}, sent by {name}"

    @op
    def file(text: str) -> str:
        return f"{text}, filed by {name}"

    if name == "first":

        @job
        def report() -> None:
            send(write())

        @job
        def retired() -> None:
            write()

        return Definitions(jobs=[report, retired])

    @job(name="report")
    def longer_report() -> None:
        file(send(write()))

    return Definitions(jobs=[longer_report])


def test_a_deploy_changes_nothing_for_runs_that_run_wait_or_are_queued(deploy: Deploy) -> None:
    settings = {
        "concurrency": {"runs": {"max_concurrent_runs": 2}, "pools": {"limits": {"press": 1}}}
    }
    tg = deploy(_version("first"), settings=settings, step_seconds=60)
    running, waiting, queued = (tg.submit("report") for _ in range(3))
    tg.settle()

    tg.deploy(_version("second"))
    new = tg.submit("report")
    tg.advance(minutes=10)

    for run_id in (running, waiting, queued):
        assert tg.run(run_id).steps == {"write": "SUCCESS", "send": "SUCCESS"}
        assert tg.output(run_id, "send") == "first, sent by first"
    assert tg.run(new).steps == {"write": "SUCCESS", "send": "SUCCESS", "file": "SUCCESS"}
    assert tg.output(new, "file") == "second, sent by second, filed by second"


def test_a_job_that_a_deploy_removed_still_ends_its_runs_and_gets_no_new_ones(
    deploy: Deploy,
) -> None:
    tg = deploy(_version("first"), settings=ONE_AT_A_TIME, step_seconds=60)
    runs = [tg.submit("retired"), tg.submit("retired")]
    tg.settle()

    tg.deploy(_version("second"))
    tg.advance(minutes=5)

    assert [tg.run(one).status for one in runs] == ["SUCCESS", "SUCCESS"]
    with pytest.raises(UnknownJobError, match="retired"):
        tg.submit("retired")


def test_a_run_of_the_same_code_goes_on_over_several_deploys(deploy: Deploy) -> None:
    tg = deploy(_version("first"), step_seconds=60)
    run_id = tg.submit("report")
    tg.advance(seconds=30)

    for name in ("second", "first", "second"):
        tg.deploy(_version(name))
    tg.advance(minutes=5)

    assert tg.output(run_id, "send") == "first, sent by first"
    assert tg.run(run_id).status == "SUCCESS"


@asset(code_version="1", compute=Ecs(cpu=256, memory=512))
def tide() -> str:
    return "first"


first = Definitions(assets=[tide])


@asset(name="tide", code_version="2", compute=Ecs(cpu=256, memory=512))
def tide_again() -> str:
    return "second"


second = Definitions(assets=[tide_again])


def test_a_step_on_ecs_runs_in_the_revision_its_run_was_submitted_to(deploy: Deploy) -> None:
    tg = deploy(first, settings=ONE_AT_A_TIME)
    tg.set_limit("runs", 0)
    queued = tg.materialize("tide")
    tg.settle()

    tg.deploy(second)
    tg.set_limit("runs", 1)
    tg.settle()
    was = tg.latest_materialization("tide")
    made = tg.value("tide")
    tg.materialize("tide")
    tg.settle()

    assert tg.run(queued).status == "SUCCESS"
    assert (made, was and was.code_version) == ("first", "1")
    now = tg.latest_materialization("tide")
    assert (tg.value("tide"), now and now.code_version) == ("second", "2")


def test_settings_of_a_deploy_hold_at_once_for_runs_from_before_it(deploy: Deploy) -> None:
    def press(limit: int) -> dict[str, object]:
        return {"concurrency": {"pools": {"limits": {"press": limit}}}}

    tg = deploy(_version("first"), settings=press(1), step_seconds=60)
    runs = [tg.submit("report") for _ in range(3)]
    tg.settle()
    before = tg.limits["pool/press"].in_use

    tg.deploy(_version("second"), settings=press(3))
    tg.settle()

    assert (before, tg.limits["pool/press"].in_use) == (1, 3)
    tg.advance(minutes=5)
    assert {tg.output(one, "send") for one in runs} == {"first, sent by first"}
