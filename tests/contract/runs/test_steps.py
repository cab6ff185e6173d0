"""Rows of steps and of fan-in nodes on every engine: each changes once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.runs.times import AT, LATER
from tidegate.domain.arrival import Arrival, Gathered
from tidegate.domain.run import StepRow, StepStatus
from tidegate.ports import RunStore

NO_ROW: frozenset[StepStatus | None] = frozenset({None})
RUNNING: frozenset[StepStatus | None] = frozenset({None, StepStatus.WAITING, StepStatus.STARTED})


def success(index: int = 0, **changes: Any) -> StepRow:
    row = StepRow(
        run_id="run-1",
        index=index,
        status=StepStatus.SUCCESS,
        produced=frozenset({"result", "extra"}),
        fingerprint="f00d",
        started_at=AT,
        finished_at=LATER,
    )
    return replace(row, **changes)


class TestSteps:
    def test_a_step_without_a_row_is_none(self, runs: RunStore) -> None:
        assert runs.step("run-1", 0) is None
        assert runs.steps("run-1") == []

    def test_a_step_waits_then_starts_then_resolves(self, runs: RunStore) -> None:
        waited = runs.wait_step("run-1", 3, attempt=1, at=AT)
        started = runs.start_step("run-1", 3, attempt=1, at=LATER)
        row, wrote = runs.resolve_step(
            success(3, started_at=None), leaves=frozenset({StepStatus.STARTED})
        )

        assert (waited, started, wrote) == (True, True, True)
        assert row == success(3, waiting_at=AT, started_at=LATER)
        assert runs.step("run-1", 3) == row

    def test_a_step_that_is_past_it_does_not_wait_or_start_again(self, runs: RunStore) -> None:
        runs.resolve_step(success(), leaves=NO_ROW)

        waits = runs.wait_step("run-1", 0, attempt=1, at=LATER)
        starts = runs.start_step("run-1", 0, attempt=2, at=LATER)

        assert (waits, starts) == (False, False)
        assert runs.step("run-1", 0) == success()

    def test_a_started_step_does_not_wait(self, runs: RunStore) -> None:
        runs.start_step("run-1", 0, attempt=1, at=AT)

        assert runs.wait_step("run-1", 0, attempt=1, at=LATER) is False

    @pytest.mark.parametrize("verb", ["wait_step", "start_step"])
    def test_waiting_or_starting_twice_is_once(self, runs: RunStore, verb: str) -> None:
        first = getattr(runs, verb)("run-1", 0, attempt=1, at=AT)
        row = runs.step("run-1", 0)
        again = getattr(runs, verb)("run-1", 0, attempt=1, at=LATER)

        assert (first, again) == (True, True)
        assert runs.step("run-1", 0) == row

    def test_a_retry_starts_with_nothing_of_the_attempt_before(self, runs: RunStore) -> None:
        runs.start_step("run-1", 0, attempt=1, at=AT)
        runs.resolve_step(
            success(status=StepStatus.UP_FOR_RETRY, reason="It broke.", failed=True), leaves=RUNNING
        )

        waits = runs.wait_step("run-1", 0, attempt=2, at=LATER)

        assert waits is True
        assert runs.step("run-1", 0) == StepRow(
            run_id="run-1",
            index=0,
            status=StepStatus.WAITING,
            attempt=2,
            waiting_at=LATER,
        )

    @pytest.mark.parametrize("verb", ["wait_step", "start_step"])
    def test_an_attempt_that_failed_does_not_begin_again(self, runs: RunStore, verb: str) -> None:
        runs.start_step("run-1", 0, attempt=1, at=AT)
        row = success(status=StepStatus.UP_FOR_RETRY, reason="It broke.", retry_at=LATER)
        failed, _ = runs.resolve_step(row, leaves=RUNNING)

        begins = getattr(runs, verb)("run-1", 0, attempt=1, at=LATER)

        assert begins is False
        assert failed.retry_at == LATER
        assert runs.step("run-1", 0) == failed

    def test_an_earlier_attempt_comes_too_late(self, runs: RunStore) -> None:
        runs.start_step("run-1", 0, attempt=2, at=AT)
        row = runs.step("run-1", 0)

        starts = runs.start_step("run-1", 0, attempt=1, at=LATER)
        resolves = runs.resolve_step(success(attempt=1), leaves=RUNNING)

        assert starts is False
        assert resolves == (row, False)

    def test_a_resolved_step_stays_as_it_is_and_is_answered(self, runs: RunStore) -> None:
        runs.resolve_step(success(), leaves=NO_ROW)

        again = runs.resolve_step(
            success(status=StepStatus.FAILURE, failed=True, fingerprint="beef"), leaves=RUNNING
        )

        assert again == (success(), False)

    def test_a_step_with_no_row_is_answered_pending_when_a_row_was_wanted(
        self, runs: RunStore
    ) -> None:
        answer = runs.resolve_step(success(), leaves=frozenset({StepStatus.STARTED}))

        assert answer == (StepRow(run_id="run-1", index=0, status=StepStatus.PENDING), False)
        assert runs.step("run-1", 0) is None

    def test_a_resolution_that_may_leave_nothing_changes_nothing(self, runs: RunStore) -> None:
        runs.start_step("run-1", 0, attempt=1, at=AT)

        row, wrote = runs.resolve_step(success(), leaves=frozenset())

        assert (row.status, wrote) == (StepStatus.STARTED, False)

    @pytest.mark.parametrize("leaves", [NO_ROW, frozenset({StepStatus.PENDING}), RUNNING])
    def test_a_step_without_a_row_can_be_skipped(
        self, runs: RunStore, leaves: frozenset[StepStatus | None]
    ) -> None:
        skipped = StepRow(
            run_id="run-1",
            index=7,
            status=StepStatus.SKIPPED,
            reason="Upstream step clean failed.",
            failed=True,
            finished_at=AT,
        )

        answer = runs.resolve_step(skipped, leaves=leaves)

        assert answer == (skipped, True)
        assert runs.step("run-1", 7) == skipped

    def test_of_sixteen_resolutions_at_once_one_wins_and_all_see_its_row(
        self, runs: RunStore, at_once: Any
    ) -> None:
        runs.start_step("run-1", 0, attempt=1, at=AT)

        answers = at_once(
            [
                lambda n=n: runs.resolve_step(success(fingerprint=str(n)), leaves=RUNNING)
                for n in range(16)
            ]
        )

        winners = [row for row, wrote in answers if wrote]
        assert len(winners) == 1
        assert {row.fingerprint for row, _ in answers} == {winners[0].fingerprint}
        assert runs.step("run-1", 0) == winners[0]

    def test_steps_are_listed_by_number_and_only_those_of_the_run(self, runs: RunStore) -> None:
        for index in (12_000_000, 1000, 2, 10):
            runs.start_step("run-1", index, attempt=1, at=AT)
        runs.start_step("run-10", 1, attempt=1, at=AT)
        runs.gather("run-1", "3", Arrival(arrived=2))

        listed = runs.steps("run-1")

        assert [row.index for row in listed] == [2, 10, 1000, 12_000_000]
        assert listed[0] == runs.step("run-1", 2)


class TestNodes:
    def test_nothing_has_arrived_at_first(self, runs: RunStore) -> None:
        assert runs.gathered("run-1", "end") == Gathered()

    def test_what_arrives_adds_up(self, runs: RunStore) -> None:
        runs.gather("run-1", "7.0.3", Arrival(arrived=4))
        runs.gather("run-1", "7.0.3", Arrival(arrived=0, failed=frozenset({0})))
        gathered = runs.gather("run-1", "7.0.3", Arrival(arrived=9, missing=frozenset({1, 63})))

        assert gathered == Gathered(
            arrived=frozenset({0, 4, 9}), failed=frozenset({0}), missing=frozenset({1, 63})
        )
        assert runs.gathered("run-1", "7.0.3") == gathered
        assert runs.gathered("run-1", "7") == Gathered()

    def test_arriving_twice_is_arriving_once(self, runs: RunStore) -> None:
        arrival = Arrival(arrived=1, failed=frozenset({1}), missing=frozenset({0}))

        once = runs.gather("run-1", "2", arrival)
        twice = runs.gather("run-1", "2", arrival)

        assert once == twice

    def test_of_sixteen_arrivals_at_once_none_is_lost_and_one_sees_the_node_become_full(
        self, runs: RunStore, at_once: Any
    ) -> None:
        answers = at_once(
            [lambda n=n: runs.gather("run-1", "end", Arrival(arrived=n)) for n in range(16)]
        )

        everyone = frozenset(range(16))
        assert runs.gathered("run-1", "end").arrived == everyone
        assert [one.arrived == everyone for one in answers].count(True) == 1
        assert sorted(len(one.arrived) for one in answers) == list(range(1, 17))
