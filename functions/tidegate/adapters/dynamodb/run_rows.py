"""How runs, steps and nodes are written as rows of table ``runs``, and read back."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.adapters.dynamodb.models import NodeRow, RunRow, StepStateRow
from tidegate.adapters.dynamodb.packed import fitting, pack, unpack
from tidegate.adapters.text import stamp, storable
from tidegate.domain.arrival import Gathered
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus, StopCause

RUN = "run"
STEP = "step#"
NODE = "node#"


def step_key(index: int) -> str:
    return f"{STEP}{index:06d}"


def node_key(node: str) -> str:
    return f"{NODE}{node}"


def order_of(run: Run) -> str:
    return f"{stamp(run.created_at)}#{run.run_id}"


def status_key(status: RunStatus) -> str | None:
    """Key of index ``by_status``; a run that succeeded is not in it."""
    return None if status is RunStatus.SUCCESS else f"status#{status}"


def run_row(run: Run) -> RunRow:
    """
    Raises:
        InvocationError: tags, config and asset selection do not fit a row.
    """
    asked = _asked(run)
    fitting(
        asked,
        f"What run {run.run_id} was asked to do (tags, run config, asset selection)",
        "Put large values in S3 and give their key, or select fewer assets.",
    )
    order = order_of(run)
    return RunRow(
        run.run_id,
        RUN,
        day=f"day#{order[:10]}",
        job_month=f"job#{run.job}#{order[:7]}",
        by_status_key=status_key(run.status),
        order=order,
        job=run.job,
        manifest=run.manifest,
        status=run.status,
        created_at=run.created_at,
        function=run.function or None,
        task_definition=run.task_definition or None,
        location=run.location or None,
        partition_key=run.partition_key,
        run_key=run.run_key,
        started_at=run.started_at,
        finished_at=run.finished_at,
        reason=storable(run.reason),
        lost_to=set(run.lost_to) or None,
        turn=run.turn or None,
        asked=asked,
    )


def _asked(run: Run) -> bytes:
    """What the run was asked to do, and never changes."""
    return pack(
        {
            "tags": run.tags,
            "run_config": run.run_config,
            "assets": None if run.assets is None else list(run.assets),
            "pools": list(run.held_pools),
            "on_conflict": dict(run.on_conflict),
            "done_in": {one: dict(steps) for one, steps in run.done_in.items()},
            "only": None if run.only is None else list(run.only),
            "range_keys": run.range_keys,
        }
    )


def run_of(row: RunRow) -> Run:
    asked = unpack(row.asked) if isinstance(row.asked, bytes) else row.asked
    assets = asked["assets"]
    return Run(
        run_id=row.pk,
        job=row.job,
        manifest=row.manifest,
        status=RunStatus(row.status),
        created_at=row.created_at,
        function=row.function or "",
        task_definition=row.task_definition or "",
        location=row.location or "",
        tags=asked["tags"],
        run_config=asked["run_config"],
        partition_key=row.partition_key,
        range_keys=asked.get("range_keys"),
        assets=None if assets is None else tuple(assets),
        run_key=row.run_key,
        held_pools=tuple(asked.get("pools", ())),
        on_conflict=asked.get("on_conflict", {}),
        done_in=asked.get("done_in", {}),
        only=None if asked.get("only") is None else tuple(asked["only"]),
        started_at=row.started_at,
        canceling_at=row.canceling_at,
        finished_at=row.finished_at,
        reason=row.reason,
        lost_to=tuple(sorted(row.lost_to or ())),
        stop_cause=None if row.stop_cause is None else StopCause(row.stop_cause),
        turn=int(row.turn or 0),
    )


def step_of(row: StepStateRow) -> StepRow:
    return StepRow(
        run_id=row.pk,
        index=int(row.sk[len(STEP) :]),
        status=StepStatus(row.status),
        attempt=int(row.attempt),
        produced=frozenset(row.produced or ()),
        reason=row.reason,
        failed=bool(row.failed),
        fingerprint=row.fingerprint,
        waiting_at=row.waiting_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        retry_at=row.retry_at,
        ecs_from=None if row.ecs_from is None else int(row.ecs_from),
    )


def gathered_of(row: NodeRow | None) -> Gathered:
    if row is None:
        return Gathered()
    return Gathered(
        arrived=_numbers(row.arrived), failed=_numbers(row.failed), missing=_numbers(row.missing)
    )


def _numbers(stored: Iterable[float] | None) -> frozenset[int]:
    return frozenset(int(one) for one in stored or ())
