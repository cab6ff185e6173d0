"""Runs that are retried by hand: of all steps, from the failure, or of some."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.app.manifests import DIAMOND
from tests.unit.app.runs.retried import CHAIN, Make, invocations, runs
from tests.unit.app.seen import kinds
from tidegate.app.runs.retry import retry_by_hand
from tidegate.domain.run_retry import Strategy
from tidegate.domain.settings import Settings
from tidegate.errors import RequestError, UnknownRunError


@pytest.fixture
def failed(world: Make) -> tuple[Any, str]:
    """A run of the diamond whose ``left`` failed, and would not again."""
    tg = world(Settings(pools={"db": 1}), diamond=DIAMOND)
    tg.failing.add("left")
    run_id = tg.submit("diamond")
    tg.settle()
    tg.failing.clear()
    tg.ran.clear()
    return tg, run_id


@pytest.mark.parametrize(
    ("how", "ran"),
    [
        ({}, ["left", "foot"]),
        ({"strategy": Strategy.ALL_STEPS}, ["top", "left", "right", "foot"]),
        ({"steps": ["left"]}, ["left"]),
        ({"steps": ["left+"]}, ["left", "foot"]),
        ({"steps": ["right", "top"]}, ["top", "right"]),
        ({"steps": ["top+"]}, ["top", "left", "right", "foot"]),
    ],
)
def test_by_hand_so_much_is_done_again(
    failed: tuple[Any, str], how: dict[str, Any], ran: list[str]
) -> None:
    tg, run_id = failed

    child = retry_by_hand(tg.services, run_id, **how)
    tg.settle()

    assert tg.ran == ran
    assert tg.status(child.run_id) == "SUCCESS"
    assert child.tags["tidegate/parent_run_id"] == run_id


def test_steps_that_are_not_named_and_not_done_are_left_out(failed: tuple[Any, str]) -> None:
    tg, run_id = failed

    child = retry_by_hand(tg.services, run_id, steps=["left"])
    tg.settle()

    reasons = [row.reason for row in tg.store.runs.steps(child.run_id)]
    done = f"done in run {run_id}"
    assert reasons == [done, None, done, "not among those to retry"]


def test_a_retry_of_a_retry_of_some_steps_takes_what_each_has_done(failed: tuple[Any, str]) -> None:
    tg, run_id = failed
    second = retry_by_hand(tg.services, run_id, steps=["left"])
    tg.settle()

    third = retry_by_hand(tg.services, second.run_id, steps=["foot"])
    tg.settle()

    assert tg.ran == ["left", "foot"]
    assert invocations(tg, third.run_id)["foot"]["done_in"] == {
        run_id: ["right"],
        second.run_id: ["left"],
    }


def test_with_the_same_key_it_is_one_run(failed: tuple[Any, str]) -> None:
    tg, run_id = failed

    again = [retry_by_hand(tg.services, run_id, run_key=key).run_id for key in ("x", "x", "y")]

    assert again[0] == again[1] != again[2]
    assert kinds(tg, run_id).count("RUN_RETRIED") == 2


def test_a_run_that_is_not_over_cannot_be_retried(world: Make) -> None:
    tg = world(chain=CHAIN)
    run_id = tg.submit("chain")

    with pytest.raises(RequestError, match="is QUEUED; only a run that is over") as refused:
        retry_by_hand(tg.services, run_id)

    assert "cancel it" in str(refused.value)


def test_a_run_nobody_knows_cannot_be_retried(world: Make) -> None:
    with pytest.raises(UnknownRunError, match="There is no run 'x'"):
        retry_by_hand(world(chain=CHAIN).services, "x")


def test_of_a_run_that_succeeded_nothing_failed(world: Make) -> None:
    tg = world(chain=CHAIN)
    run_id = tg.submit("chain")
    tg.settle()

    with pytest.raises(RequestError, match="nothing of it failed"):
        retry_by_hand(tg.services, run_id)

    assert retry_by_hand(tg.services, run_id, steps=["c"]).only == ("c",)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (["nobody"], "has no step 'nobody'. Steps: top, left, right, foot."),
        ([], "No step is named"),
        (["foot"], "Step 'foot' needs what 'left' makes, which is not done. Retry 'left' too."),
    ],
)
def test_steps_that_cannot_be_retried_are_refused(
    failed: tuple[Any, str], steps: list[str], says: str
) -> None:
    tg, run_id = failed

    with pytest.raises(RequestError, match=says):
        retry_by_hand(tg.services, run_id, steps=steps)

    assert len(runs(tg)) == 1
