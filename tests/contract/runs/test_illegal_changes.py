"""Changes of state that are not allowed are refused by the store's conditions, in whatever order events come."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.domain.run import RUN_LEAVES, Run, RunStatus, StepRow, StepStatus
from tidegate.ports import RunStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = itertools.count()

OrNone = StepStatus | None
REPORT: frozenset[OrNone] = frozenset({StepStatus.STARTED})
SKIP: frozenset[OrNone] = frozenset({None, StepStatus.WAITING})
STOP: frozenset[OrNone] = frozenset(
    {None, StepStatus.WAITING, StepStatus.STARTED, StepStatus.UP_FOR_RETRY}
)
LEAVES = {
    StepStatus.SUCCESS: REPORT,
    StepStatus.FAILURE: REPORT,
    StepStatus.UP_FOR_RETRY: REPORT,
    StepStatus.SKIPPED: SKIP,
    StepStatus.CANCELED: STOP,
}

each_example = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
attempts = st.integers(1, 3)


@dataclass(frozen=True)
class Begin:
    to: StepStatus
    attempt: int


@dataclass(frozen=True)
class End:
    to: StepStatus
    attempt: int


changes = st.one_of(
    st.builds(Begin, st.sampled_from([StepStatus.WAITING, StepStatus.STARTED]), attempts),
    st.builds(End, st.sampled_from(sorted(LEAVES)), attempts),
)


def new_id() -> str:
    """Of its own for each example: they share the tables."""
    return f"illegal-{next(_numbers)}"


@each_example
@given(order=st.lists(st.sampled_from(sorted(RUN_LEAVES)), max_size=12))
def test_a_run_follows_the_table_and_never_revives(runs: RunStore, order: list[RunStatus]) -> None:
    run_id = new_id()
    runs.create(Run(run_id=run_id, job="j", manifest="m", status=RunStatus.QUEUED, created_at=AT))

    for number, to in enumerate(order):
        before = runs.get(run_id)
        assert before is not None
        moved = runs.move(
            run_id, leaves=RUN_LEAVES[to], to=to, at=AT + timedelta(seconds=number), reason=str(to)
        )
        after = runs.get(run_id)

        assert (moved is not None) == (before.status in RUN_LEAVES[to])
        assert after == (moved or before)
        if before.status.is_finished:
            assert after == before


@each_example
@given(order=st.lists(changes, max_size=16))
def test_a_step_ends_once_and_no_attempt_comes_back(
    runs: RunStore, order: list[Begin | End]
) -> None:
    run_id = new_id()
    reports: Counter[int] = Counter()

    for number, change in enumerate(order):
        before = runs.step(run_id, 0)
        if isinstance(change, End) and change.attempt > (before.attempt if before else 1):
            continue  # an attempt that never began comes to nothing
        wrote = _make(runs, run_id, change, AT + timedelta(seconds=number))
        after = runs.step(run_id, 0)

        if before is not None and before.status.is_resolved:
            assert after == before
        if before is not None and change.attempt < before.attempt:
            assert after == before
        if before is not None and after is not None:
            assert after.attempt >= before.attempt
        if isinstance(change, End) and LEAVES[change.to] == REPORT and wrote:
            assert before is not None
            assert (before.status, before.attempt) == (StepStatus.STARTED, change.attempt)
            reports[change.attempt] += 1
    assert set(reports.values()) <= {1}


def _make(runs: RunStore, run_id: str, change: Begin | End, at: datetime) -> bool:
    if isinstance(change, End):
        row = StepRow(
            run_id=run_id, index=0, status=change.to, attempt=change.attempt, finished_at=at
        )
        return runs.resolve_step(row, leaves=LEAVES[change.to])[1]
    begin = runs.wait_step if change.to is StepStatus.WAITING else runs.start_step
    return begin(run_id, 0, attempt=change.attempt, at=at)
