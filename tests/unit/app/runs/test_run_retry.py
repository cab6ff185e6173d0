"""A run in place of one that failed: when it comes, what it does again, and that there is one however often functions die."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.app.manifests import DIAMOND, fan_out, manifest_of, step_doc
from tests.unit.app.world import Crash
from tidegate.app.runs.finish import finish
from tidegate.app.runs.launch import launch
from tidegate.app.runs.retry import retry_by_hand
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.app.upkeep.wake import wake
from tidegate.domain.event import EventKind
from tidegate.domain.run import RunStatus
from tidegate.domain.run_retry import Strategy, retry_id
from tidegate.domain.settings import Settings
from tidegate.errors import RequestError, UnavailableError, UnknownRunError

Make = Callable[..., Any]

CHAIN = [step_doc("a"), step_doc("b", "a"), step_doc("c", "b")]


def retries(most: int, **more: Any) -> Settings:
    return Settings(max_run_retries=most, pools={"db": 1}, **more)


def child_of(tg: Any, run_id: str) -> Any:
    return tg.store.runs.get(retry_id(tg.store.runs.get(run_id)))


def fails_then_works(tg: Any, step: str, job: str = "diamond", **fields: Any) -> Any:
    """Answers the run that failed, and its retry."""
    tg.failing.add(step)
    run_id = tg.submit(job, **fields)
    tg.settle()
    tg.failing.discard(step)
    tg.advance(days=1)
    return tg.store.runs.get(run_id), child_of(tg, run_id)


def invocations(tg: Any, run_id: str) -> dict[str, Any]:
    states = [one for one in tg.launcher.started.values() if one["run_id"] == run_id]
    return {one["invocation"]["step"]: one["invocation"] for one in states}


def kinds(tg: Any, run_id: str) -> list[str]:
    return [str(one.kind) for one in tg.store.events.read(run_id).items]


def runs(tg: Any) -> list[Any]:
    return sorted(tg.store.runs.find(limit=100).items, key=lambda one: one.created_at)


# By itself --------------------------------------------------------------------------------------------------------


def test_from_failure_what_succeeded_is_not_done_again_and_is_read_where_it_is(world: Make) -> None:
    tg = world(retries(1), diamond=DIAMOND)

    parent, child = fails_then_works(tg, "left")

    assert (parent.status, child.status) == ("FAILURE", "SUCCESS")
    assert tg.ran == ["top", "left", "right", "left", "foot"]
    assert tg.statuses(child.run_id) == {
        "top": "SKIPPED",
        "left": "SUCCESS",
        "right": "SKIPPED",
        "foot": "SUCCESS",
    }
    reasons = {row.index: row.reason for row in tg.store.runs.steps(child.run_id)}
    assert reasons[0] == reasons[2] == f"done in run {parent.run_id}"
    started = invocations(tg, child.run_id)
    assert started["left"]["done_in"] == {parent.run_id: ["top"]}
    assert started["foot"]["done_in"] == {parent.run_id: ["right"]}


def test_over_several_retries_each_output_is_read_from_the_run_that_made_it(world: Make) -> None:
    tg = world(retries(2), diamond=DIAMOND)
    tg.failing |= {"left"}
    first = tg.submit("diamond")
    tg.settle()
    tg.failing = {"foot"}
    tg.advance(seconds=1)
    tg.failing.clear()
    tg.advance(days=1)

    second = child_of(tg, first)
    third = child_of(tg, second.run_id)
    assert [one.status for one in runs(tg)] == ["FAILURE", "FAILURE", "SUCCESS"]
    assert tg.ran == ["top", "left", "right", "left", "foot", "foot"]
    assert invocations(tg, third.run_id)["foot"]["done_in"] == {
        first: ["right"],
        second.run_id: ["left"],
    }
    assert [one.tags.get("tidegate/retry_number") for one in runs(tg)] == [None, "1", "2"]
    assert third.tags["tidegate/parent_run_id"] == second.run_id
    assert third.tags["tidegate/root_run_id"] == first
    assert third.tags["tidegate/is_resume_retry"] == "true"


def test_all_steps_are_done_again_when_the_strategy_says_so(world: Make) -> None:
    tg = world(retries(1, run_retry_strategy="ALL_STEPS"), diamond=DIAMOND)

    _, child = fails_then_works(tg, "left")

    assert tg.ran == ["top", "left", "right", "top", "left", "right", "foot"]
    assert (child.done_in, "tidegate/is_resume_retry" in child.tags) == ({}, False)


def test_a_retry_has_the_config_the_tags_and_the_trigger_of_its_parent(world: Make) -> None:
    steps = [step_doc("a", config_schema={"type": "object"}), step_doc("b", "a")]
    tg = world(retries(1), chain=steps)

    parent, child = fails_then_works(
        tg,
        "b",
        "chain",
        tags={"team": "tides", "dagster/priority": "3"},
        run_config={"ops": {"a": {"config": {"n": 1}}}},
        trigger="tide",
        on_conflict="skip",
    )

    assert child.run_config == parent.run_config
    assert {"team": "tides", "tidegate/priority": "3"}.items() <= child.tags.items()
    assert child.on_conflict == parent.on_conflict == {"trigger/tide": "skip"}


def test_the_failed_run_says_when_its_retry_comes_and_which_it_is(world: Make) -> None:
    tg = world(retries(2, run_retry_delay_seconds=30), chain=CHAIN)
    tg.failing.add("b")
    run_id = tg.submit("chain")
    tg.settle()

    (told,) = (
        one for one in tg.store.events.read(run_id).items if one.kind == EventKind.RUN_UP_FOR_RETRY
    )
    ended = tg.store.runs.get(run_id).finished_at
    assert told.message == f"Retry 1 of 2 follows as run {told.data['run_id']}."
    assert told.data["retry_at"] == (ended + timedelta(seconds=30)).isoformat()
    tg.advance(seconds=29)
    assert len(runs(tg)) == 1
    tg.advance(seconds=2)
    assert [one.run_id for one in runs(tg)] == [run_id, told.data["run_id"]]
    assert kinds(tg, run_id)[-1] == "RUN_RETRIED"


@pytest.mark.parametrize(
    ("backoff", "gaps"),
    [(None, [10, 10, 10]), ("LINEAR", [10, 20, 30]), ("EXPONENTIAL", [10, 30, 70])],
)
def test_the_delay_grows_as_the_settings_say(
    world: Make, backoff: str | None, gaps: list[int]
) -> None:
    settings = retries(3, run_retry_delay_seconds=10, run_retry_backoff=backoff)
    tg = world(settings, chain=[step_doc("a")])
    tg.failing.add("a")

    tg.submit("chain")
    tg.advance(hours=1)

    known = runs(tg)
    waited = [
        (later.created_at - one.finished_at).total_seconds() for one, later in pairwise(known)
    ]
    assert waited == gaps


@pytest.mark.parametrize(
    ("settings", "tags", "count"),
    [
        (Settings(), {}, 1),
        (retries(2), {}, 3),
        (retries(2), {"dagster/max_retries": "1"}, 2),
        (retries(2), {"tidegate/max_retries": "0"}, 1),
        (Settings(), {"dagster/max_retries": "2"}, 3),
        (Settings(retries_runs=False), {"dagster/max_retries": "2"}, 1),
        (retries(2, run_retry_on_step_failure=False), {}, 1),
        (retries(1), {"dagster/retry_on_asset_or_op_failure": "false"}, 1),
        (
            retries(1, run_retry_on_step_failure=False),
            {"tidegate/retry_on_asset_or_op_failure": "true"},
            2,
        ),
    ],
)
def test_settings_and_tags_say_how_often(
    world: Make, settings: Settings, tags: dict[str, str], count: int
) -> None:
    tg = world(settings, chain=CHAIN)
    tg.failing.add("b")

    tg.submit("chain", tags=tags)
    tg.advance(days=1)

    assert [one.status for one in runs(tg)] == ["FAILURE"] * count


def test_a_tag_says_which_strategy(world: Make) -> None:
    tg = world(retries(1), chain=CHAIN)

    _, child = fails_then_works(tg, "b", "chain", tags={"dagster/retry_strategy": "ALL_STEPS"})

    assert child.done_in == {}


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ({"dagster/max_retries": "many"}, "'many'. Give 0 or a number"),
        ({"dagster/max_retries": "-1"}, "'-1'. Give 0 or a number"),
        ({"tidegate/retry_strategy": "AGAIN"}, "Give FROM_FAILURE, ALL_STEPS"),
        ({"tidegate/retry_on_asset_or_op_failure": "maybe"}, "Give true or false"),
    ],
)
def test_a_tag_that_means_nothing_is_refused_at_submit(
    world: Make, tag: dict[str, str], says: str
) -> None:
    tg = world(chain=CHAIN)

    with pytest.raises(RequestError, match=says):
        submit(tg.services, RunRequest(job="chain", tags=tag))

    assert runs(tg) == []


def test_a_run_that_was_canceled_is_not_retried(world: Make) -> None:
    tg = world(retries(3), chain=CHAIN)
    run_id = tg.submit("chain")
    run = tg.store.runs.get(run_id)

    launch(tg.services, finish(tg.services, run, RunStatus.CANCELED, reason="by hand"))
    tg.advance(days=1)

    assert [one.status for one in runs(tg)] == ["CANCELED"]


def test_what_is_skipped_for_lack_of_input_is_skipped_again(world: Make) -> None:
    optional = [{"name": "result", "required": False, "asset": None}]
    steps = [
        step_doc("a", outputs=optional),
        step_doc("b", "a"),
        step_doc("other"),
        step_doc("last", "other"),
    ]
    tg = world(retries(1), job=steps)
    tg.withheld = {"a"}

    _, child = fails_then_works(tg, "last", "job")

    assert child.status == "SUCCESS"
    row = tg.store.runs.step(child.run_id, 1)
    assert (row.status, row.reason) == ("SKIPPED", "not produced upstream: a")


def test_a_retry_that_cannot_be_submitted_is_given_up_and_the_failed_run_says_why(
    world: Make,
) -> None:
    tg = world(retries(1, run_retry_delay_seconds=10), chain=CHAIN)
    tg.failing.add("b")
    run_id = tg.submit("chain")
    tg.settle()
    tg.services.manifests.current = manifest_of(other=CHAIN)

    tg.advance(minutes=1)

    last = tg.store.events.read(run_id).items[-1]
    assert last.message.startswith("It is not retried: There is no job 'chain'.")
    assert len(runs(tg)) == 1


def test_a_retry_runs_on_what_is_deployed_by_then(world: Make) -> None:
    tg = world(retries(1, run_retry_delay_seconds=10), chain=CHAIN)
    tg.failing.add("b")
    tg.submit("chain")
    tg.settle()
    mended = [step_doc("a"), step_doc("new", "a"), step_doc("b", "new"), step_doc("c", "b")]
    tg.services.manifests.current = manifest_of(chain=mended)
    tg.failing.clear()

    tg.advance(minutes=1)

    assert runs(tg)[-1].status == "SUCCESS"
    assert tg.ran == ["a", "b", "new", "b", "c"]


def test_a_step_whose_earlier_run_is_forgotten_fails_and_says_so(world: Make) -> None:
    tg = world(retries(1, run_retry_delay_seconds=10), chain=CHAIN)
    tg.failing.add("b")
    run_id = tg.submit("chain")
    tg.settle()
    tg.failing.clear()
    tg.alarms.take(tg.clock.now() + timedelta(hours=1))
    child = retry_by_hand(tg.services, run_id)
    tg.store.runs._steps.pop(run_id)

    tg.settle()

    assert tg.status(child.run_id) == "FAILURE"
    row = tg.store.runs.step(child.run_id, 0)
    assert row.reason == f"run {run_id}, which had done it, is not known any more; retry all steps"
    assert kinds(tg, child.run_id).count("STEP_FAILURE") == 1


# By hand ----------------------------------------------------------------------------------------------------------


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


# Once, whatever dies ----------------------------------------------------------------------------------------------


def test_a_promise_kept_twice_is_one_run(world: Make) -> None:
    tg = world(retries(1, run_retry_delay_seconds=10), chain=CHAIN)
    tg.failing.add("b")
    tg.submit("chain")
    tg.settle()
    tg.clock.advance(timedelta(seconds=10))
    task = tg.alarms.take(tg.clock.now())

    for _ in range(3):
        wake(tg.services, task)
    tg.settle()

    assert len(runs(tg)) == 2


def _scenario(tg: Any) -> None:
    tg.failing.add("left")
    tg.submit("diamond", run_key="k")
    tg.settle()
    tg.failing.clear()
    tg.advance(hours=1)
    tg.clock.advance(GRACE)
    tg.again(lambda: sweep(tg.services))
    tg.settle()


def _ending(tg: Any) -> Any:
    known = runs(tg)
    return (
        [(one.run_id, one.status, tg.statuses(one.run_id)) for one in known],
        [sorted(kinds(tg, one.run_id)) for one in known],
        {one.key: one.in_use for one in tg.store.admission.limits() if one.in_use},
        tg.ran,
    )


@pytest.mark.parametrize(
    ("after", "error"),
    [(False, Crash), (True, Crash), (True, lambda: UnavailableError("The answer was lost."))],
    ids=["before", "after", "lost"],
)
def test_a_function_that_dies_at_any_call_and_is_called_again_retries_once(
    world: Make, after: bool, error: Callable[[], BaseException]
) -> None:
    settings = retries(1, run_retry_delay_seconds=60)
    calm = world(settings, diamond=DIAMOND)
    _scenario(calm)
    expected, most = _ending(calm), calm.trouble.calls
    assert [one[1] for one in expected[0]] == ["FAILURE", "SUCCESS"]

    for number in range(most):
        tg = world(settings, diamond=DIAMOND)
        tg.trouble.at, tg.trouble.after, tg.trouble.error = number, after, error
        _scenario(tg)

        assert _ending(tg) == expected, f"struck {'after' if after else 'before'} call {number}"
    assert most > 80


# Dynamic outputs --------------------------------------------------------------------------------------------------

KEYS = ["x", "y", "z"]


def fanned(world: Make, failing: str) -> tuple[Any, Any, Any]:
    """A fan-out one of whose steps failed, and its retry."""
    tg = world(retries(2), fan=fan_out())
    tg.keys["source"] = KEYS
    parent, child = fails_then_works(tg, failing, "fan")
    return tg, parent, child


def test_of_a_fan_out_only_the_value_that_failed_is_done_again(world: Make) -> None:
    tg, parent, child = fanned(world, "first[y]")

    assert (parent.status, child.status) == ("FAILURE", "SUCCESS")
    again = sorted(key for key, one in tg.statuses(child.run_id).items() if one == "SUCCESS")
    assert again == ["first[y]", "foot", "second[y]"]
    (foot,) = (
        one["invocation"]
        for one in tg.launcher.started.values()
        if one["run_id"] == child.run_id and one["invocation"]["step"] == "foot"
    )
    assert foot["collected"] == {"0": KEYS}
    assert foot["done_in"] == {parent.run_id: ["second[x]", "second[z]"]}


def test_a_dynamic_output_is_taken_over_through_several_retries(world: Make) -> None:
    tg = world(retries(2), fan=fan_out())
    tg.keys["source"] = KEYS
    tg.failing.add("first[y]")
    tg.submit("fan")
    tg.settle()
    tg.failing = {"second[y]"}
    tg.advance(seconds=1)
    tg.failing.clear()
    tg.advance(hours=1)

    known = runs(tg)
    assert [one.status for one in known] == ["FAILURE", "FAILURE", "SUCCESS"]
    last = tg.statuses(known[2].run_id)
    assert sorted(key for key, one in last.items() if one == "SUCCESS") == ["foot", "second[y]"]


def test_where_the_mapping_keys_are_gone_the_step_fails_and_says_so(world: Make) -> None:
    tg = world(Settings(), fan=fan_out())
    tg.keys["source"] = KEYS
    tg.failing.add("first[y]")
    run_id = tg.submit("fan")
    tg.settle()
    stored = tg.services.blobs._port.stored
    for key in [one for one in stored if one.startswith("control/mappings/")]:
        del stored[key]

    child = retry_by_hand(tg.services, run_id)
    tg.settle()

    assert tg.status(child.run_id) == "FAILURE"
    reasons = [row.reason for row in tg.store.runs.steps(child.run_id) if row.failed]
    assert any("is not known any more" in str(one) for one in reasons)
