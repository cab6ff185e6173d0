"""Runs on every engine: created once, moved along their states, and never back."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.runs.times import AT, LATER
from tidegate.domain.run import RUN_LEAVES, Run, RunStatus, StopCause
from tidegate.ports import RunStore


def stored(runs: RunStore, run_id: str = "run-1") -> Run:
    run = runs.get(run_id)
    assert run is not None
    return run


class TestCreateAll:
    def test_many_runs_are_created_at_once_and_read_back_as_they_were(
        self, runs: RunStore, new_run: Any
    ) -> None:
        asked = [new_run(f"run-{n:02}", tags={"n": str(n)}) for n in range(60)]

        created = runs.create_all(asked)

        assert created == [(run, True) for run in asked]
        assert [runs.get(run.run_id) for run in asked] == asked

    def test_none_and_one_are_fine(self, runs: RunStore, new_run: Any) -> None:
        run = new_run()

        assert runs.create_all([]) == []
        assert runs.create_all([run]) == [(run, True)]

    def test_those_that_exist_are_answered_as_they_are_and_the_others_created(
        self, runs: RunStore, new_run: Any
    ) -> None:
        first = new_run("run-1", tags={"from": "first"}, status=RunStatus.STARTED)
        runs.create(first)

        created = runs.create_all([new_run(f"run-{n}") for n in range(3)])

        assert created == [(new_run("run-0"), True), (first, False), (new_run("run-2"), True)]

    def test_large_runs_are_created_too(self, runs: RunStore, new_run: Any) -> None:
        noise = random.Random(1)
        large = [
            new_run(f"run-{n}", run_config={"ops": {"a": noise.randbytes(100_000).hex()}})
            for n in range(4)
        ]

        created = runs.create_all(large)

        assert created == [(run, True) for run in large]

    def test_two_callers_at_once_create_each_run_once(
        self, runs: RunStore, new_run: Any, at_once: Any
    ) -> None:
        asked = [new_run(f"run-{n}") for n in range(10)]

        answers = at_once([lambda: runs.create_all(asked)] * 3)

        created = [run.run_id for one in answers for run, is_new in one if is_new]
        assert sorted(created) == [run.run_id for run in asked]


class TestCreate:
    def test_a_created_run_reads_back_as_it_was(self, runs: RunStore, new_run: Any) -> None:
        run = new_run()

        created = runs.create(run)

        assert created == (run, True)
        assert runs.get("run-1") == run

    def test_a_run_without_the_optional_parts_reads_back_as_it_was(self, runs: RunStore) -> None:
        run = Run(run_id="bare", job="daily", manifest="m", status=RunStatus.QUEUED, created_at=AT)

        runs.create(run)

        assert runs.get("bare") == run

    def test_the_same_id_again_answers_the_first_run(self, runs: RunStore, new_run: Any) -> None:
        first = new_run(tags={"from": "first"})
        runs.create(first)

        again = runs.create(new_run(tags={"from": "second"}, status=RunStatus.STARTED))

        assert again == (first, False)
        assert runs.get("run-1") == first

    def test_of_sixteen_at_once_one_creates_and_all_see_its_run(
        self, runs: RunStore, new_run: Any, at_once: Any
    ) -> None:
        asked = [new_run(tags={"from": str(n)}) for n in range(16)]

        answers = at_once([lambda run=run: runs.create(run) for run in asked])

        assert [created for _, created in answers].count(True) == 1
        assert {run.tags["from"] for run, _ in answers} == {stored(runs).tags["from"]}

    def test_a_run_that_is_not_there_is_none(self, runs: RunStore) -> None:
        assert runs.get("nobody") is None

    def test_a_stored_run_does_not_change_with_the_callers_dictionaries(
        self, runs: RunStore, new_run: Any
    ) -> None:
        run = new_run(tags={"a": "1"}, run_config={"ops": {}})
        runs.create(run)

        run.tags["b"] = "2"
        run.run_config["ops"]["x"] = 1

        kept = stored(runs)
        assert (kept.tags, kept.run_config) == ({"a": "1"}, {"ops": {}})

    def test_a_large_selection_and_config_read_back(self, runs: RunStore, new_run: Any) -> None:
        run = new_run(
            assets=tuple(f"region/asset_{n}" for n in range(2000)),
            run_config={"ops": {str(n): {"config": {"text": "ü" * 20}} for n in range(500)}},
        )

        runs.create(run)

        assert runs.get("run-1") == run


class TestMove:
    def test_a_run_goes_through_its_states(self, runs: RunStore, new_run: Any) -> None:
        runs.create(new_run())

        for to in (RunStatus.STARTING, RunStatus.STARTED, RunStatus.SUCCESS):
            moved = runs.move("run-1", leaves=RUN_LEAVES[to], to=to, at=LATER)

            assert moved is not None
            assert moved.status is to
            assert moved == runs.get("run-1")

    def test_when_it_was_admitted_and_when_it_ended_are_kept(
        self, runs: RunStore, new_run: Any
    ) -> None:
        runs.create(new_run(status=RunStatus.QUEUED))

        runs.move("run-1", leaves=frozenset({RunStatus.QUEUED}), to=RunStatus.STARTING, at=AT)
        runs.move("run-1", leaves=frozenset({RunStatus.STARTING}), to=RunStatus.STARTED, at=LATER)
        runs.move(
            "run-1",
            leaves=frozenset({RunStatus.STARTED}),
            to=RunStatus.FAILURE,
            at=LATER,
            reason="Step clean failed.",
        )

        run = stored(runs)
        assert (run.started_at, run.finished_at, run.reason) == (AT, LATER, "Step clean failed.")

    def test_which_runs_it_gave_way_to_is_kept(self, runs: RunStore, new_run: Any) -> None:
        runs.create(new_run())

        runs.move(
            "run-1",
            leaves=RUN_LEAVES[RunStatus.CANCELED],
            to=RunStatus.CANCELED,
            at=LATER,
            lost_to=("run-9", "run-0"),
        )

        assert stored(runs).lost_to == ("run-0", "run-9")

    def test_when_and_why_it_was_stopped_is_kept_to_its_end(
        self, runs: RunStore, new_run: Any
    ) -> None:
        runs.create(new_run(status=RunStatus.STARTED))
        assert not stored(runs).was_stopped

        canceling = runs.move(
            "run-1",
            leaves=RUN_LEAVES[RunStatus.CANCELING],
            to=RunStatus.CANCELING,
            at=AT,
            reason="It ran for too long.",
            stop_cause=StopCause.RUN_TIMEOUT,
        )
        again = runs.move(
            "run-1",
            leaves=RUN_LEAVES[RunStatus.CANCELING],
            to=RunStatus.CANCELING,
            at=LATER,
            reason="Cancelled.",
            stop_cause=StopCause.CANCEL,
        )
        runs.move(
            "run-1",
            leaves=frozenset({RunStatus.CANCELING}),
            to=RunStatus.FAILURE,
            at=LATER,
        )

        assert canceling is not None
        assert again is None
        run = stored(runs)
        assert (run.canceling_at, run.finished_at) == (AT, LATER)
        assert (run.stop_cause, run.reason) == (StopCause.RUN_TIMEOUT, "It ran for too long.")
        assert run.was_stopped
        assert run.ends_as is run.status is RunStatus.FAILURE

    @pytest.mark.parametrize("finished", [RunStatus.SUCCESS, RunStatus.FAILURE, RunStatus.CANCELED])
    @pytest.mark.parametrize("to", list(RunStatus))
    def test_a_finished_run_never_revives(
        self, runs: RunStore, new_run: Any, finished: RunStatus, to: RunStatus
    ) -> None:
        run = new_run(status=finished)
        runs.create(run)

        moved = runs.move("run-1", leaves=RUN_LEAVES.get(to, frozenset()), to=to, at=LATER)

        assert moved is None
        assert runs.get("run-1") == run

    def test_a_run_in_another_state_is_left_alone(self, runs: RunStore, new_run: Any) -> None:
        run = new_run()
        runs.create(run)

        moved = runs.move(
            "run-1", leaves=frozenset({RunStatus.STARTED}), to=RunStatus.SUCCESS, at=AT
        )

        assert moved is None
        assert runs.get("run-1") == run

    def test_a_run_that_is_not_there_is_not_made(self, runs: RunStore) -> None:
        moved = runs.move("nobody", leaves=frozenset(RunStatus), to=RunStatus.STARTING, at=AT)

        assert moved is None
        assert runs.get("nobody") is None

    def test_of_sixteen_at_once_one_moves(self, runs: RunStore, new_run: Any, at_once: Any) -> None:
        runs.create(new_run())

        answers = at_once(
            [
                lambda: runs.move(
                    "run-1",
                    leaves=frozenset({RunStatus.QUEUED}),
                    to=RunStatus.STARTING,
                    at=AT,
                )
            ]
            * 16
        )

        assert [one for one in answers if one is not None] == [runs.get("run-1")]

    def test_a_reason_is_cut_and_made_storable(self, runs: RunStore, new_run: Any) -> None:
        runs.create(new_run())

        runs.move(
            "run-1",
            leaves=frozenset({RunStatus.QUEUED}),
            to=RunStatus.FAILURE,
            at=AT,
            reason="bad \udcff byte " + "x" * 5000,
        )

        reason = stored(runs).reason or ""
        assert reason.startswith("bad ? byte x")
        assert (len(reason), reason[-3:]) == (2000, "...")


class TestTurn:
    def test_turns_follow_each_other_once(self, runs: RunStore, new_run: Any) -> None:
        runs.create(new_run())

        answers = [runs.next_turn("run-1", turn) for turn in (1, 0, 0, 1, 1)]

        assert [None if one is None else one.turn for one in answers] == [None, 1, None, 2, None]
        assert stored(runs) == replace(new_run(), turn=2)

    def test_a_run_that_is_not_queued_has_no_other_turn(self, runs: RunStore, new_run: Any) -> None:
        runs.create(new_run(status=RunStatus.STARTING))

        assert runs.next_turn("run-1", 0) is None
        assert runs.next_turn("gone", 0) is None
        assert runs.get("gone") is None

    def test_a_run_begins_at_its_turn_alone(self, runs: RunStore, new_run: Any) -> None:
        runs.create(new_run())
        runs.next_turn("run-1", 0)
        starting = {"leaves": RUN_LEAVES[RunStatus.STARTING], "to": RunStatus.STARTING, "at": AT}

        assert runs.move("run-1", turn=0, **starting) is None
        assert runs.move("run-1", turn=2, **starting) is None
        moved = runs.move("run-1", turn=1, **starting)

        assert moved is not None
        assert (moved.turn, moved.status) == (1, RunStatus.STARTING)

    def test_the_first_turn_is_one_too(self, runs: RunStore, new_run: Any) -> None:
        runs.create(new_run())
        starting = {"leaves": RUN_LEAVES[RunStatus.STARTING], "to": RunStatus.STARTING, "at": AT}

        assert runs.move("run-1", turn=1, **starting) is None
        assert runs.move("run-1", turn=0, **starting) is not None

    def test_of_those_that_begin_it_and_those_that_end_its_turn_one_does(
        self, runs: RunStore, new_run: Any, at_once: Any
    ) -> None:
        runs.create(new_run())
        starting = {"leaves": RUN_LEAVES[RunStatus.STARTING], "to": RunStatus.STARTING, "at": AT}

        answers = at_once(
            [lambda: runs.next_turn("run-1", 0)] * 4
            + [lambda: runs.move("run-1", turn=0, **starting)] * 4
        )

        assert sum(one is not None for one in answers) == 1
