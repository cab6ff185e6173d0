"""Cancelling a run wherever it is: what it ends as, what is stopped, what is free, and who carries on if the call dies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.runs.test_run_life import DIAMOND, step_doc
from tests.unit.app.upkeep.test_sweep import dies, lost
from tidegate.app.runs.admit import admit
from tidegate.app.runs.cancel import cancel, request_cancel
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.domain.run import RunStatus, StepRow, StepStatus
from tidegate.domain.settings import Settings
from tidegate.errors import ThrottledError, UnknownRunError

Make = Callable[..., Any]

SETTINGS = Settings(max_concurrent_runs=1, pools={"db": 1})
CHAIN = [step_doc("a"), step_doc("b", "a"), step_doc("c", "b")]


def running_diamond(world: Make) -> Any:
    """Run a: ``top`` is done, ``left`` runs, ``right`` waits for the pool, ``foot`` for both. Run b is queued behind it."""
    tg = world(SETTINGS, diamond=DIAMOND)
    tg.runs = [tg.submit("diamond", run_key=name) for name in ("a", "b")]
    tg.settle_wake_ups()
    (top,) = tg.launcher.started
    tg.play(top)
    return tg


def left_of(tg: Any, run_id: str) -> str:
    (name,) = (
        name
        for name, state in tg.launcher.started.items()
        if state["run_id"] == run_id and state["invocation"]["step"] == "left"
    )
    return str(name)


def kinds(tg: Any, run_id: str) -> list[str]:
    return [str(one.kind) for one in tg.store.events.read(run_id).items]


def in_line(tg: Any) -> list[str]:
    """Every claim that waits, in whatever line."""
    tg.trouble.at = -1
    limits = tg.store.admission.limits()
    return [wait.claim_id for one in limits for wait in tg.services.admission.waiting(one.key)]


def assert_nothing_is_left(tg: Any) -> None:
    """No slot is held, nobody waits, no step is under way, and what was stopped was stopped."""
    assert {one.key: one.in_use for one in tg.store.admission.limits() if one.in_use} == {}
    assert in_line(tg) == []
    for run_id in tg.runs:
        assert tg.store.runs.get(run_id).status.is_finished
        for row in tg.store.runs.steps(run_id):
            assert row.status.is_resolved
            name = f"{run_id}-{row.index}-{row.attempt}"
            was_under_way = row.status is StepStatus.CANCELED and row.retry_at is None
            if was_under_way and name in tg.launcher.started:
                assert name in tg.launcher.stopped
        told = kinds(tg, run_id)
        assert len([one for one in told if one.startswith("RUN_")]) == len(
            {one for one in told if one.startswith("RUN_")}
        )


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


def _ending(tg: Any) -> Any:
    return (
        [tg.status(one) for one in tg.runs],
        [tg.statuses(one) for one in tg.runs],
        [sorted(kinds(tg, one)) for one in tg.runs],
        sorted(tg.launcher.stopped),
    )


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("request_first", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_a_cancel_that_dies_at_any_call_and_is_repeated_ends_the_same(
    world: Make, which: int, request_first: bool, after: bool
) -> None:
    def scenario(strikes_at: int) -> Any:
        tg = running_diamond(world)
        tg.trouble.calls, tg.trouble.at, tg.trouble.after = 0, strikes_at, after
        how = request_cancel if request_first else cancel
        tg.again(lambda: how(tg.services, tg.runs[which]))
        tg.settle()
        return tg

    calm = scenario(-1)
    most, expected = calm.trouble.calls, _ending(calm)
    assert_nothing_is_left(calm)

    for number in range(most):
        tg = scenario(number)

        assert _ending(tg) == expected, f"died {'after' if after else 'before'} call {number}"
        assert_nothing_is_left(tg)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_a_cancel_that_dies_and_is_never_repeated_is_carried_on_by_the_sweep(
    world: Make, which: int, after: bool
) -> None:
    for number in range(1, 40):
        tg = running_diamond(world)
        tg.trouble.calls, tg.trouble.at, tg.trouble.after = 0, number, after
        try:
            cancel(tg.services, tg.runs[which])
        except BaseException:  # noqa: BLE001 - the harness's own crash
            tg.clock.advance(GRACE * 2)
            sweep(tg.services)
        tg.settle()
        tg.clock.advance(GRACE * 2)
        sweep(tg.services)
        tg.settle()

        assert tg.status(tg.runs[which]) == "CANCELED", f"call {number}"
        assert tg.status(tg.runs[1 - which]) == "SUCCESS", f"call {number}"
        assert_nothing_is_left(tg)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_a_cancel_may_come_between_any_two_calls_of_whatever_else_goes_on(
    world: Make, which: int, whole: bool
) -> None:
    """Also between the write that starts a step and the start of its execution."""

    def scenario(strikes_at: int) -> Any:
        tg = world(SETTINGS, diamond=DIAMOND)
        tg.runs = [tg.submit("diamond", run_key=name) for name in ("a", "b")]
        tg.trouble.calls, tg.trouble.at = 0, strikes_at
        how = cancel if whole else request_cancel
        tg.trouble.action = lambda: how(tg.services, tg.runs[which])
        tg.settle()
        return tg

    most = scenario(-1).trouble.calls
    ended: set[str] = set()
    for number in range(most):
        tg = scenario(number)

        ended.add(tg.status(tg.runs[which]))
        assert tg.status(tg.runs[1 - which]) == "SUCCESS", f"at call {number}"
        assert_nothing_is_left(tg)
        canceled = tg.status(tg.runs[which]) == "CANCELED"
        assert ("RUN_CANCELED" in kinds(tg, tg.runs[which])) == canceled
    assert ended == {"CANCELED", "SUCCESS"}


@pytest.mark.parametrize("fails", [False, True])
def test_a_step_may_end_between_any_two_calls_of_a_cancel(world: Make, fails: bool) -> None:
    def scenario(strikes_at: int) -> Any:
        tg = running_diamond(world)
        if fails:
            tg.failing.add("left")
        left = left_of(tg, tg.runs[0])
        tg.trouble.calls, tg.trouble.at = 0, strikes_at
        tg.trouble.action = lambda: tg.play(left)
        cancel(tg.services, tg.runs[0])
        tg.failing.clear()
        tg.settle()
        return tg

    most = scenario(-1).trouble.calls
    ended: set[str] = set()
    for number in range(most):
        tg = scenario(number)

        assert [tg.status(one) for one in tg.runs] == ["CANCELED", "SUCCESS"]
        assert_nothing_is_left(tg)
        left = tg.statuses(tg.runs[0])["left"]
        ended.add(left)
        told = [
            str(one.kind) for one in tg.store.events.read(tg.runs[0]).items if one.step == "left"
        ]
        assert told == ["STEP_START", f"STEP_{left}"]
    assert ended == {"CANCELED", "FAILURE" if fails else "SUCCESS"}


def test_two_cancels_at_once_are_one(world: Make) -> None:
    tg = running_diamond(world)
    first = tg.runs[0]
    tg.trouble.calls = 0
    cancel(tg.services, first)
    most = tg.trouble.calls
    expected = _ending(tg)

    for number in range(most):
        tg = running_diamond(world)
        tg.trouble.calls, tg.trouble.at = 0, number
        tg.trouble.action = lambda tg=tg: cancel(tg.services, tg.runs[0])  # type: ignore[misc]
        cancel(tg.services, tg.runs[0])

        assert _ending(tg) == expected


def test_a_start_that_died_before_its_execution_is_not_made_good_after_a_cancel(
    world: Make,
) -> None:
    tg = world(SETTINGS, chain=CHAIN)
    tg.runs = [tg.submit("chain")]
    start = tg.services.launcher.start

    class Dead(BaseException):
        pass

    def dies(task: object) -> None:
        raise Dead

    tg.services.launcher.start = dies
    with pytest.raises(Dead):
        admit(tg.services, tg.runs[0])
    tg.services.launcher.start = start

    cancel(tg.services, tg.runs[0])
    admit(tg.services, tg.runs[0])

    assert tg.launcher.started == {}
    assert_nothing_is_left(tg)


def test_a_report_that_comes_while_its_run_is_stopped_begins_nothing(world: Make) -> None:
    tg = world(SETTINGS, chain=CHAIN)
    run_id = tg.submit("chain")
    tg.settle_wake_ups()
    (name,) = tg.launcher.started
    request_cancel(tg.services, run_id)

    complete(tg.services, tg.outcome_of(name))

    assert list(tg.launcher.started) == [name]
    assert tg.statuses(run_id) == {"a": "SUCCESS", "b": "PENDING", "c": "PENDING"}


class Dead(BaseException):
    """The function died; it is called again."""


def meanwhile(tg: Any, target: Any, method: str, *, before: Any = None, after: Any = None) -> None:
    """At the next call of the method, and only then, something else happens before or after it."""
    real = getattr(target, method)

    def call(*args: Any, **kwargs: Any) -> Any:
        setattr(target, method, real)
        if before is not None:
            before()
        answer = real(*args, **kwargs)
        if after is not None:
            after()
        return answer

    setattr(target, method, call)


def die() -> None:
    raise Dead


def test_a_step_whose_run_is_canceled_before_its_execution_starts_never_starts(
    world: Make,
) -> None:
    tg = world(SETTINGS, chain=CHAIN)
    tg.runs = [tg.submit("chain")]
    runs = tg.services.store.runs
    meanwhile(tg, runs, "start_step", after=lambda: cancel(tg.services, tg.runs[0]))

    tg.settle()

    assert tg.launcher.started == {}
    assert tg.statuses(tg.runs[0])["a"] == "CANCELED"
    assert_nothing_is_left(tg)


@pytest.mark.parametrize("starts", [False, True])
def test_a_start_that_no_cancel_has_seen_and_that_died_is_undone_by_its_repeat(
    world: Make, starts: bool
) -> None:
    """The run is canceled before the step is written down, or before its execution starts; then the function dies."""
    tg = world(SETTINGS, chain=CHAIN)
    tg.runs = [tg.submit("chain")]
    port, method = (
        (tg.services.launcher, "start") if starts else (tg.services.store.runs, "start_step")
    )
    meanwhile(tg, port, method, before=lambda: cancel(tg.services, tg.runs[0]), after=die)

    with pytest.raises(Dead):
        admit(tg.services, tg.runs[0])
    admit(tg.services, tg.runs[0])

    assert len(tg.launcher.started) == len(tg.launcher.stopped) == starts
    assert_nothing_is_left(tg)


@pytest.mark.parametrize("method", ["park", "wait_step"])
def test_a_step_that_is_put_in_line_while_its_run_is_canceled_leaves_it(
    world: Make, method: str
) -> None:
    tg = world(Settings(pools={"db": 0}), two=[step_doc("a"), step_doc("b", "a", pools={"db": 1})])
    tg.runs = [tg.submit("two")]
    tg.settle_wake_ups()
    store = tg.services.store
    port = store.admission if method == "park" else store.runs
    meanwhile(tg, port, method, before=lambda: cancel(tg.services, tg.runs[0]))

    tg.settle()

    assert tg.status(tg.runs[0]) == "CANCELED"
    assert_nothing_is_left(tg)


def test_a_run_that_is_put_in_line_while_it_is_canceled_leaves_it(world: Make) -> None:
    tg = world(Settings(max_concurrent_runs=0), chain=CHAIN)
    tg.runs = [tg.submit("chain")]
    admission = tg.services.store.admission
    meanwhile(tg, admission, "park", before=lambda: cancel(tg.services, tg.runs[0]))

    tg.settle()

    assert tg.status(tg.runs[0]) == "CANCELED"
    assert_nothing_is_left(tg)


@pytest.mark.parametrize("starts", [False, True])
def test_one_that_no_repeat_comes_to_is_undone_two_minutes_later(world: Make, starts: bool) -> None:
    """Another run made way for this one, and its call died; by its repeat, this one holds nothing any more."""
    tg = world(SETTINGS, single=[step_doc("a")])
    tg.runs = [tg.submit("single"), tg.submit("single")]
    tg.settle_wake_ups()
    (first,) = tg.launcher.started
    outcome = tg.outcome_of(first)
    port, method = (
        (tg.services.launcher, "start") if starts else (tg.services.store.runs, "start_step")
    )
    meanwhile(tg, port, method, before=lambda: cancel(tg.services, tg.runs[1]), after=die)

    with pytest.raises(Dead):
        complete(tg.services, outcome)
    complete(tg.services, outcome)
    tg._completed.update(tg.launcher.started)
    tg.advance(minutes=3)

    assert [tg.status(one) for one in tg.runs] == ["SUCCESS", "CANCELED"]
    assert len(tg.launcher.started) == 1 + len(tg.launcher.stopped) == 1 + starts
    assert_nothing_is_left(tg)
