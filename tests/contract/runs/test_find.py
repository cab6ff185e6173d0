"""Runs are found on every engine: by day, job and status, page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.contract.runs.times import AT, LATER
from tidegate.domain.run import RUN_LEAVES, Run, RunStatus
from tidegate.ports import RunStore


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
