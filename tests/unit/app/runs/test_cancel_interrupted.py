"""A cancel that dies, that comes between any two calls of something else, or that something else comes between."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.app.deaths import Dead, die, dies, lost, meanwhile
from tests.unit.app.manifests import DIAMOND, step_doc
from tests.unit.app.runs.canceled import (
    CHAIN,
    SETTINGS,
    Make,
    assert_nothing_is_left,
    left_of,
    running_diamond,
)
from tests.unit.app.seen import kinds
from tidegate.app.runs.admit import admit
from tidegate.app.runs.cancel import cancel, request_cancel
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import GRACE, sweep
from tidegate.domain.settings import Settings


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
    dies(tg, "launcher", "start", after=False)
    lost(lambda: admit(tg.services, tg.runs[0]))

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
