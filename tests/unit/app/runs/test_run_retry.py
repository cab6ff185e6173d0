"""A run in place of one that failed: when it comes, what it does again, and that there is one however often functions die."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.unit.app.manifests import DIAMOND, manifest_of, step_doc
from tests.unit.app.runs.retried import (
    CHAIN,
    Make,
    child_of,
    fails_then_works,
    invocations,
    retries,
    runs,
)
from tests.unit.app.seen import kinds
from tidegate.app.runs.finish import finish
from tidegate.app.runs.launch import launch
from tidegate.app.runs.retry import retry_by_hand
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.domain.event import EventKind
from tidegate.domain.run import RunStatus
from tidegate.domain.settings import Settings
from tidegate.errors import RequestError


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


@pytest.mark.parametrize("lost", [0, 1])
def test_hooks_are_called_of_a_step_that_fails_since_its_earlier_run_is_forgotten(
    world: Make, lost: int
) -> None:
    hooks = [
        {"name": name, "on": on, "of": "step"}
        for name, on in (("told", "failure"), ("praised", "success"))
    ]
    chain = [{**one, "hooks": hooks} for one in CHAIN]
    tg = world(retries(1, run_retry_delay_seconds=10), chain=chain)
    tg.failing.add("c")
    run_id = tg.submit("chain")
    tg.settle()
    tg.failing.clear()
    tg.alarms.take(tg.clock.now() + timedelta(hours=1))
    child = retry_by_hand(tg.services, run_id)
    tg.store.runs._steps[run_id].pop(lost)

    tg.settle()

    states = [state for name, state in tg.launcher.started.items() if child.run_id in name]
    called = [state["hook"] for state in states if "hook" in state]
    assert [one["step"] for one in called if one["name"] == "told"] == ["ab"[lost]]
