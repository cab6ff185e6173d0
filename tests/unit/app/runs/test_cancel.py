"""Cancelling a run wherever it is: what it ends as, what is stopped, and what is free."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.app.deaths import dies, lost
from tests.unit.app.runs.canceled import (
    CHAIN,
    SETTINGS,
    Make,
    assert_nothing_is_left,
    in_line,
    left_of,
    running_diamond,
)
from tests.unit.app.seen import kinds
from tidegate.app.runs.cancel import cancel, request_cancel
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.domain.run import RunStatus, StepRow, StepStatus
from tidegate.errors import ThrottledError, UnknownRunError


def test_a_running_run_is_stopped_and_its_slots_go_to_who_waits(world: Make) -> None:
    tg = running_diamond(world)
    first, second = tg.runs
    left = left_of(tg, first)

    run = cancel(tg.services, first, by="ada")

    assert (run.status, run.reason) == (RunStatus.CANCELED, "Cancelled by ada.")
    assert tg.statuses(first) == {
        "top": "SUCCESS",
        "left": "CANCELED",
        "right": "SKIPPED",
        "foot": "PENDING",
    }
    assert tg.launcher.stopped == [left]
    assert tg.status(second) == "STARTED"
    told = {(str(one.kind), one.step) for one in tg.store.events.read(first).items}
    assert {
        ("RUN_CANCELING", None),
        ("STEP_CANCELED", "left"),
        ("STEP_SKIPPED", "right"),
        ("RUN_CANCELED", None),
    } <= told
    tg.settle()
    assert tg.status(second) == "SUCCESS"
    assert_nothing_is_left(tg)


def test_a_queued_run_is_canceled_at_once_and_leaves_the_line(world: Make) -> None:
    tg = running_diamond(world)
    second = tg.runs[1]

    run = request_cancel(tg.services, second, by="ada")

    assert run.status is RunStatus.CANCELED
    assert run.started_at is None
    assert kinds(tg, second) == ["RUN_ENQUEUED", "RUN_CANCELING", "RUN_CANCELED"]
    assert f"run/{second}" not in in_line(tg)
    tg.settle()
    assert [tg.status(one) for one in tg.runs] == ["SUCCESS", "CANCELED"]


def test_who_waits_for_the_answer_is_not_kept_until_a_running_run_is_stopped(world: Make) -> None:
    tg = running_diamond(world)
    first = tg.runs[0]

    run = request_cancel(tg.services, first)

    assert run.status is RunStatus.CANCELING
    assert tg.launcher.stopped == []
    tg.settle_wake_ups()
    assert tg.status(first) == "CANCELED"


def test_a_running_run_is_stopped_here_and_now_if_the_queue_function_cannot_be_told(
    world: Make,
) -> None:
    tg = running_diamond(world)

    def refuses(run_id: str) -> None:
        raise ThrottledError("no")

    tg.services.queue.enqueue = refuses

    run = request_cancel(tg.services, tg.runs[0])

    assert run.status is RunStatus.CANCELED


def test_cancelling_again_changes_nothing_and_the_first_reason_stays(world: Make) -> None:
    tg = running_diamond(world)
    first = tg.runs[0]
    cancel(tg.services, first, reason="superseded by run 17")
    before = (tg.store.runs.get(first), tg.store.runs.steps(first), kinds(tg, first))

    again = cancel(tg.services, first, reason="another", by="bob")

    assert again.reason == "Cancelled: superseded by run 17."
    assert (tg.store.runs.get(first), tg.store.runs.steps(first), kinds(tg, first)) == before


def test_a_run_that_is_over_is_answered_unchanged(world: Make) -> None:
    tg = world(SETTINGS, chain=CHAIN)
    run_id = tg.submit("chain")
    tg.settle()
    before = tg.store.runs.get(run_id)

    assert cancel(tg.services, run_id) == request_cancel(tg.services, run_id) == before
    assert "RUN_CANCELING" not in kinds(tg, run_id)


def test_an_unknown_run_is_refused(world: Make) -> None:
    tg = world(SETTINGS, chain=CHAIN)

    with pytest.raises(UnknownRunError, match="no run 'x'"):
        cancel(tg.services, "x")


def test_the_late_report_of_a_canceled_step_changes_nothing(world: Make) -> None:
    tg = running_diamond(world)
    first = tg.runs[0]
    left = left_of(tg, first)
    cancel(tg.services, first)
    before = (tg.statuses(first), kinds(tg, first))

    tg.play(left)

    assert (tg.statuses(first), kinds(tg, first)) == before


def test_a_step_that_ends_before_it_is_looked_at_keeps_its_result(world: Make) -> None:
    tg = running_diamond(world)
    first = tg.runs[0]
    left = left_of(tg, first)
    request_cancel(tg.services, first)

    tg.play(left)
    tg.settle_wake_ups()

    assert tg.statuses(first)["left"] == "SUCCESS"
    assert tg.status(first) == "CANCELED"
    assert tg.launcher.stopped == []
    assert "STEP_SUCCESS" in kinds(tg, first)
    tg.settle()
    assert_nothing_is_left(tg)


def test_a_step_that_waits_to_be_tried_again_is_canceled(world: Make) -> None:
    tg = running_diamond(world)
    first = tg.runs[0]
    row = tg.store.runs.step(first, 1)
    now = tg.clock.now()
    tg.store.runs.resolve_step(
        StepRow(
            run_id=first,
            index=1,
            status=StepStatus.UP_FOR_RETRY,
            finished_at=now,
            retry_at=now + timedelta(minutes=1),
        ),
        leaves=frozenset({StepStatus.STARTED}),
    )

    cancel(tg.services, first)

    assert row.status is StepStatus.STARTED
    assert tg.statuses(first)["left"] == "CANCELED"
    tg.settle()
    assert_nothing_is_left(tg)


def test_a_canceled_step_whose_slot_was_left_is_not_told_to_have_failed(world: Make) -> None:
    tg = running_diamond(world)
    first = tg.runs[0]
    dies(tg, "admission", "release", after=False)
    lost(lambda: cancel(tg.services, first))
    tg.store.runs.move(
        first, leaves=frozenset({RunStatus.CANCELING}), to=RunStatus.CANCELED, at=tg.clock.now()
    )
    tg.clock.advance(GRACE + timedelta(seconds=1))

    assert sweep(tg.services)["unreleased"] > 0

    kinds = {str(one.kind) for one in tg.store.events.read(first).items}
    assert "STEP_CANCELED" in kinds
    assert "STEP_FAILURE" not in kinds
    tg.settle()
    assert_nothing_is_left(tg)


def test_a_run_stays_canceling_while_an_execution_cannot_be_stopped_but_its_slots_are_free(
    world: Make,
) -> None:
    tg = running_diamond(world)
    first, second = tg.runs
    stop = tg.services.launcher.stop

    def refuses(*args: object) -> None:
        raise ThrottledError("25 a second")

    tg.services.launcher.stop = refuses
    with pytest.raises(ThrottledError):
        cancel(tg.services, first)

    assert tg.status(first) == "CANCELING"
    assert "pool/db" not in {one.key for one in tg.store.admission.limits() if one.in_use}
    tg.services.launcher.stop = stop
    cancel(tg.services, first)
    assert tg.launcher.stopped == [left_of(tg, first)]
    assert [tg.status(one) for one in tg.runs] == ["CANCELED", "STARTED"]
    assert second
