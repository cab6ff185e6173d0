"""Runs and steps: their states, which state may follow which, and the rows that hold them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidegate.domain.conflict import SKIPPED, lines_of

_NAMESPACE = uuid.UUID("6f1d3c5e-0a57-5c0e-9d7e-71de6a7e0001")


AT_TURN = "~"


class RunStatus(StrEnum):
    QUEUED = "QUEUED"
    """Waits for the limits on runs."""
    STARTING = "STARTING"
    """Admitted; its first steps are being launched."""
    STARTED = "STARTED"
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"

    @property
    def is_finished(self) -> bool:
        return self in FINISHED


FINISHED = frozenset({RunStatus.CANCELED, RunStatus.SUCCESS, RunStatus.FAILURE})
LIVE = frozenset({RunStatus.STARTING, RunStatus.STARTED})
"""Its steps may begin."""


RUN_LEAVES: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.STARTING: frozenset({RunStatus.QUEUED}),
    RunStatus.STARTED: frozenset({RunStatus.STARTING}),
    RunStatus.CANCELING: frozenset({RunStatus.QUEUED, RunStatus.STARTING, RunStatus.STARTED}),
    RunStatus.CANCELED: frozenset({RunStatus.QUEUED, RunStatus.CANCELING}),
    RunStatus.SUCCESS: frozenset({RunStatus.STARTING, RunStatus.STARTED}),
    RunStatus.FAILURE: frozenset({RunStatus.QUEUED, RunStatus.STARTING, RunStatus.STARTED}),
}
"""For each status, those it may follow. A finished run never revives: it is in no set of this table.

A CANCELING run that ``ends_as`` FAILURE becomes that; nobody but who stops it ends such a run.
"""


class StopCause(StrEnum):
    """What ended a run before its time."""

    CANCEL = "CANCEL"
    """Somebody asked for it."""
    QUEUE_TIMEOUT = "QUEUE_TIMEOUT"
    START_TIMEOUT = "START_TIMEOUT"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    STEP_FAILURE = "STEP_FAILURE"
    """A step failed, and the run was to stop at the first."""


class StepStatus(StrEnum):
    PENDING = "PENDING"
    """Waits for steps upstream. Has no row of its own."""
    WAITING = "WAITING"
    """Everything upstream is done; waits for a slot."""
    STARTED = "STARTED"
    UP_FOR_RETRY = "UP_FOR_RETRY"
    """An attempt failed; the next one begins at ``retry_at``. Until then it holds no slot."""
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    SKIPPED = "SKIPPED"
    CANCELED = "CANCELED"

    @property
    def is_resolved(self) -> bool:
        return self in RESOLVED


RESOLVED = frozenset(
    {StepStatus.SUCCESS, StepStatus.FAILURE, StepStatus.SKIPPED, StepStatus.CANCELED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. Everything it needs to execute is fixed at submit: the manifest, the versions of the code, the config."""

    run_id: str
    job: str
    manifest: str
    """Hash of the manifest it was created with."""
    status: RunStatus
    created_at: datetime
    function: str = ""
    """Version of the user-code function it executes on."""
    task_definition: str = ""
    """Revision of the task definition in which its steps on ECS run."""
    location: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    run_config: dict[str, Any] = field(default_factory=dict)
    partition_key: str | None = None
    range_keys: str | None = None
    """Of a run of a range of dynamic partitions: hash of the keys it is for, by which they are kept."""
    assets: tuple[str, ...] | None = None
    """Asset keys selected; None means all of the job."""
    run_key: str | None = None
    held_pools: tuple[str, ...] = ()
    """Pools of which the run itself takes a slot, from launch to end; its steps do not."""
    on_conflict: Mapping[str, str] = field(default_factory=dict)
    """By limit, what it does about runs that came before it: {"job/nightly": "skip"}. See ``conflict.py``."""
    done_in: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of a retry: by run, the steps which that run has done and this one does not do again, each with its number there."""
    only: tuple[str, ...] | None = None
    """Of a retry of some steps: the declared steps that it runs. None: all that are not done."""
    started_at: datetime | None = None
    """When it was admitted."""
    canceling_at: datetime | None = None
    """When it began to be stopped."""
    turn: int = 0
    """How often it has given its slots back, because another run made a partition of it. See ``app/runs/late.py``."""
    finished_at: datetime | None = None
    reason: str | None = None
    """Why it failed or was cancelled, in one sentence."""
    lost_to: tuple[str, ...] = ()
    """It was skipped because these runs came first."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines in which it has a place from submit to its end."""
        return lines_of(self.on_conflict)

    @property
    def was_skipped(self) -> bool:
        """It gave way to others by its conflict policy, and never ran."""
        return self.status is RunStatus.CANCELED and (self.reason or "").startswith(SKIPPED)

    stop_cause: StopCause | None = None
    """Why it is being stopped, or was."""

    @property
    def ends_as(self) -> RunStatus:
        """What it becomes, being stopped: a run that a clock or a failed step stops, fails."""
        is_canceled = self.stop_cause in (None, StopCause.CANCEL)
        return RunStatus.CANCELED if is_canceled else RunStatus.FAILURE

    @property
    def holder(self) -> str:
        """As what it holds partitions: what it took at a turn is not mixed up with what it takes at the next."""
        return f"{self.run_id}{AT_TURN}{self.turn}" if self.turn else self.run_id

    @property
    def was_stopped(self) -> bool:
        """It is being cancelled, or was; or it was stopped because it had failed."""
        return self.canceling_at is not None

    @property
    def priority(self) -> int:
        """Tag ``tidegate/priority``; a missing or non-integer tag is 0, as in Dagster."""
        return priority_of(self.tags)

    @property
    def yields(self) -> bool:
        """It is one of a backfill's and lets live runs go first; a priority of its own says otherwise."""
        return BACKFILL_TAG in self.tags and PRIORITY_TAG not in self.tags


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """State of one step of one run. A step without a row is PENDING."""

    run_id: str
    index: int
    status: StepStatus
    attempt: int = 1
    """Counts from 1. A report of an older attempt changes nothing."""
    produced: frozenset[str] = frozenset()
    """Outputs that were stored."""
    reason: str | None = None
    """Why it failed or was skipped, in one sentence."""
    failed: bool = False
    """It failed, or was skipped because something upstream failed: dependents are abandoned."""
    fingerprint: str | None = None
    """Of the report that resolved it, so that the same report may come twice."""
    waiting_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    """When it was resolved, or its attempt failed."""
    retry_at: datetime | None = None
    """Of one that is UP_FOR_RETRY, or was when it was canceled."""
    ecs_from: int | None = None
    """From this attempt on it runs on ECS, because Lambda was too small for the one before. See ``escalation.py``."""

    @property
    def is_attempt_over(self) -> bool:
        return self.status.is_resolved or self.status is StepStatus.UP_FOR_RETRY


PRIORITY_TAG = "tidegate/priority"
CONCURRENCY_KEY_TAG = "tidegate/concurrency_key"
BACKFILL_TAG = "tidegate/backfill"


def canonical_key(key: str) -> str:
    """A tag key; ``dagster/...`` under its ``tidegate/...`` name."""
    return f"tidegate/{key[8:]}" if key.startswith("dagster/") else key


def canonical_tags(tags: dict[str, Any]) -> dict[str, str]:
    """Tags with ``dagster/...`` keys under their ``tidegate/...`` name; an explicit ``tidegate/...`` wins."""
    renamed: dict[str, str] = {}
    for key, value in tags.items():
        name = canonical_key(key)
        if name == key or name not in tags:
            renamed[name] = str(value)
    return renamed


def priority_of(tags: dict[str, str]) -> int:
    value = tags.get(PRIORITY_TAG, tags.get("dagster/priority", "0"))
    return int(value) if re.fullmatch(r"[+-]?\d{1,9}", value.strip()) else 0


def run_id_of_key(origin: str, run_key: str) -> str:
    """The id of the one run that ``run_key`` asks for: the same key from the same origin is the same run."""
    return str(uuid.uuid5(_NAMESPACE, f"{origin}\n{run_key}"))


def execution_name(run_id: str, index: int, attempt: int) -> str:
    """Name of the step's execution. Step Functions runs a name at most once in 90 days; 80 characters at most."""
    return f"{run_id}-{index}-{attempt}"


def step_claim_id(run_id: str, index: int, attempt: int) -> str:
    return f"step/{run_id}/{index}/{attempt}"


def run_claim_id(run_id: str, turn: int = 0) -> str:
    """Of the slots it holds from its admission to its end; a claim that was given back is not used again."""
    return f"run/{run_id}/turn/{turn}" if turn else f"run/{run_id}"


def line_claim_id(run_id: str) -> str:
    """Of its place in the lines of its job and its trigger."""
    return f"run/{run_id}/line"


def subject_of_claim(claim_id: str) -> tuple[str, int | None, int | None] | None:
    """Whose slots a claim holds: (run id, step number, attempt), the latter two None if they are the run's own.

    None: it is no claim of a run or of a step.
    """
    kind, _, rest = claim_id.partition("/")
    run_id, *more = rest.split("/")
    if kind == "run":
        return run_id, None, None
    if kind == "step" and len(more) == 2 and all(one.isdecimal() for one in more):
        return run_id, int(more[0]), int(more[1])
    return None
