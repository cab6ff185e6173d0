"""What ``RunStore`` promises, on every engine."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.adapters.dynamodb.runs import DynamoRunStore
from tidegate.adapters.memory.runs import MemoryRunStore
from tidegate.domain.arrival import Arrival, Gathered
from tidegate.domain.run import RUN_LEAVES, Run, RunStatus, StepRow, StepStatus, StopCause
from tidegate.ports import RunStore

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(seconds=90, microseconds=1)
NO_ROW: frozenset[StepStatus | None] = frozenset({None})
RUNNING: frozenset[StepStatus | None] = frozenset({None, StepStatus.WAITING, StepStatus.STARTED})


@pytest.fixture
def runs(engine: str) -> RunStore:
    return MemoryRunStore() if engine == "memory" else DynamoRunStore()


@pytest.fixture
def new_run() -> Callable[..., Run]:
    def make(run_id: str = "run-1", **changes: Any) -> Run:
        run = Run(
            run_id=run_id,
            job="daily",
            manifest="abc123",
            status=RunStatus.QUEUED,
            created_at=AT,
            function="weather:7",
            location="weather",
            tags={"team": "tides", "empty": ""},
            run_config={"ops": {"fetch": {"config": {"n": 3, "ratio": 0.5, "on": None}}}},
            partition_key="2026-01-01",
            assets=("raw/weather", "clean"),
            run_key="k-1",
            held_pools=("gpu", "warehouse"),
            on_conflict={"job/daily": "skip", "trigger/tide": "queue"},
        )
        return replace(run, **changes)

    return make


def stored(runs: RunStore, run_id: str = "run-1") -> Run:
    run = runs.get(run_id)
    assert run is not None
    return run


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


class TestFind:
    @pytest.fixture
    def many(self, runs: RunStore, new_run: Any) -> list[str]:
        """Thirty runs over five months, of three jobs, newest first."""
        statuses = list(RunStatus)
        made = []
        for n in range(30):
            run = new_run(
                f"run-{n:02}",
                created_at=AT + timedelta(days=5 * (n // 2), seconds=n),
                job=("daily", "hourly", "yearly")[n % 3],
                status=statuses[n % len(statuses)],
            )
            runs.create(run)
            made.append(run.run_id)
        return made[::-1]

    def pages(self, runs: RunStore, limit: int, **question: Any) -> list[list[Run]]:
        pages, cursor = [], None
        while True:
            page = runs.find(limit=limit, cursor=cursor, **question)
            pages.append(list(page.items))
            assert len(pages) < 100, "the cursor does not move"
            cursor = page.cursor
            if cursor is None:
                return pages

    def test_no_run_is_an_empty_page(self, runs: RunStore) -> None:
        page = runs.find()

        assert (page.items, page.cursor) == ((), None)

    @pytest.mark.parametrize("limit", [1, 7, 10, 30, 500])
    def test_all_runs_newest_first_across_days(
        self, runs: RunStore, many: list[str], limit: int
    ) -> None:
        pages = self.pages(runs, limit)

        assert [run.run_id for page in pages for run in page] == many
        assert {len(page) for page in pages[:-1]} <= {limit}
        assert pages[-1]

    @pytest.mark.parametrize("limit", [1, 4, 50])
    def test_the_runs_of_a_job(self, runs: RunStore, many: list[str], limit: int) -> None:
        pages = self.pages(runs, limit, job="hourly")

        found = [run.run_id for page in pages for run in page]
        assert found == [one for one in many if int(one[4:]) % 3 == 1]

    @pytest.mark.parametrize("limit", [3, 50])
    @pytest.mark.parametrize(
        "statuses",
        [
            {RunStatus.QUEUED},
            {RunStatus.QUEUED, RunStatus.STARTED, RunStatus.FAILURE},
            {RunStatus.SUCCESS},
            {RunStatus.SUCCESS, RunStatus.QUEUED},
            set(RunStatus),
            set(),
        ],
    )
    @pytest.mark.parametrize("job", [None, "daily"])
    def test_runs_of_some_statuses(
        self,
        runs: RunStore,
        many: list[str],
        statuses: set[RunStatus],
        limit: int,
        job: str | None,
    ) -> None:
        pages = self.pages(runs, limit, statuses=frozenset(statuses), job=job)

        order = list(RunStatus)
        assert [run.run_id for page in pages for run in page] == [
            one
            for one in many
            if order[int(one[4:]) % len(order)] in statuses
            and (job is None or int(one[4:]) % 3 == 0)
        ]

    @pytest.mark.parametrize("limit", [1, 50])
    def test_the_oldest_first_and_none_created_before(
        self, runs: RunStore, new_run: Any, limit: int
    ) -> None:
        for minute in (3, 1, 2, 4):
            runs.create(new_run(f"run-{minute}", created_at=AT + timedelta(minutes=minute)))
        asked = {"statuses": frozenset({RunStatus.QUEUED}), "oldest_first": True}

        every = self.pages(runs, limit, **asked)
        later = self.pages(runs, limit, since=AT + timedelta(minutes=3), **asked)

        assert [run.run_id for page in every for run in page] == [f"run-{n}" for n in (1, 2, 3, 4)]
        assert [run.run_id for page in later for run in page] == ["run-3", "run-4"]

    def test_runs_of_one_instant_are_told_apart_by_their_id(
        self, runs: RunStore, new_run: Any
    ) -> None:
        for name in ("b", "a", "c"):
            runs.create(new_run(name))

        pages = self.pages(runs, 1)

        assert [run.run_id for page in pages for run in page] == ["c", "b", "a"]

    def test_a_run_is_found_by_the_status_it_has_moved_to(
        self, runs: RunStore, new_run: Any
    ) -> None:
        runs.create(new_run())
        for to in (RunStatus.STARTING, RunStatus.STARTED, RunStatus.SUCCESS):
            runs.move("run-1", leaves=RUN_LEAVES[to], to=to, at=LATER)

            found = {
                status for status in RunStatus if runs.find(statuses=frozenset({status})).items
            }

            assert found == {to}

    def test_a_found_run_is_whole(self, runs: RunStore, new_run: Any) -> None:
        runs.create(new_run())

        assert runs.find().items == (new_run(),)
