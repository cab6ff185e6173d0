"""What the use cases need from outside. Each port has an implementation on AWS and one in memory.

Store methods are the access patterns, one atomic step each. A method that changes state is conditional and may be
repeated: called twice with the same arguments it changes things once and answers the same. All of them raise
``ThrottledError`` / ``ConflictError`` (nothing was written) or ``UnavailableError`` (not known), and the caller
may call again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tidegate.domain.arrival import Arrival, Gathered
from tidegate.domain.execution import StepTask
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus, StopCause
from tidegate.ports.admission import AdmissionStore
from tidegate.ports.automation import AutomationStore, PartitionHolds, PartitionStates
from tidegate.ports.records import Change, Page


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, in UTC."""


class Ids(Protocol):
    def run_id(self, now: datetime) -> str:
        """A new run id: a UUID that sorts by time."""


class RunStore(Protocol):
    """Table ``runs``: a run, its step rows, and the nodes at which resolved steps arrive."""

    def create(self, run: Run) -> tuple[Run, bool]:
        """Put the run if its id is new. Answers the stored run, and whether this call created it."""

    def create_all(self, runs: Sequence[Run]) -> list[tuple[Run, bool]]:
        """As ``create``, for each of them, in fewer calls. After an error, some may have been put."""

    def get(self, run_id: str) -> Run | None: ...

    def move(
        self,
        run_id: str,
        *,
        leaves: frozenset[RunStatus],
        to: RunStatus,
        at: datetime,
        reason: str | None = None,
        lost_to: tuple[str, ...] = (),
        stop_cause: StopCause | None = None,
        turn: int | None = None,
    ) -> Run | None:
        """Change the status if it is one of ``leaves``; each sets its time. ``turn``: and if it is at this one.

        ``stop_cause`` goes with CANCELING.

        Answers the run after the change; None if the run is not there or its status is not one of ``leaves``.
        """

    def next_turn(self, run_id: str, turn: int) -> Run | None:
        """Begin the turn after ``turn``. Answers the run then; None: it is not QUEUED, or not at that turn."""

    def keep(self, run: Run) -> None:
        """What is written of this run, which is not over, expires as if it had been written now."""

    def find(
        self,
        *,
        job: str | None = None,
        statuses: frozenset[RunStatus] | None = None,
        limit: int = 50,
        cursor: str | None = None,
        oldest_first: bool = False,
        since: datetime | None = None,
    ) -> Page[Run]:
        """Newest first. Reads only index entries of the job, the statuses, or the day.

        ``oldest_first`` goes with statuses none of which is final; ``since`` goes with that, and leaves out runs created
        before.
        """

    def gather(self, run_id: str, node: str, arrival: Arrival) -> Gathered:
        """Add an arrival to a node (a step number, a join such as ``7.0.3``, or ``end``); answers all that has arrived."""

    def gathered(self, run_id: str, node: str) -> Gathered: ...

    def step(self, run_id: str, index: int) -> StepRow | None: ...

    def steps(self, run_id: str) -> list[StepRow]:
        """All step rows of the run, by number. A step without a row is PENDING."""

    def wait_step(self, run_id: str, index: int, *, attempt: int, at: datetime) -> bool:
        """PENDING, or UP_FOR_RETRY of an earlier attempt -> WAITING. False if the step is past that, or at a later attempt."""

    def start_step(self, run_id: str, index: int, *, attempt: int, at: datetime) -> bool:
        """PENDING, WAITING, or UP_FOR_RETRY of an earlier attempt -> STARTED. False if the step is past that, or at a
        later attempt."""

    def resolve_step(
        self, row: StepRow, *, leaves: frozenset[StepStatus | None]
    ) -> tuple[StepRow, bool]:
        """Write the resolved row if the stored status is one of ``leaves`` (None: no row) at no later attempt.

        ``ecs_from`` stays for the attempts after it.

        Answers the row that is stored now, and whether this call wrote it.
        """


class Alarms(Protocol):
    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        """See that ``app/upkeep/wake.py`` is given the task at that moment or soon after, at least once, whatever becomes of the caller.

        ``task`` is plain JSON whose ``kind`` says what is to be done; ``at`` is added to it. Asked again for the same moment
        and task, it does nothing more. A moment that is past is now. At most a year ahead. Raises as the stores do.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a run. ``sequence`` orders events within the same millisecond of a run."""

    run_id: str
    at: datetime
    kind: str
    """``RUN_QUEUED``, ``STEP_START``, ``ASSET_MATERIALIZATION``, ``LOG`` ...: see ``domain/event.py``."""
    step: str | None = None
    attempt: int | None = None
    message: str = ""
    level: str = "INFO"
    data: Mapping[str, Any] = field(default_factory=dict)


class EventStore(Protocol):
    """Table ``events``: what happened, append only."""

    def append(self, run_id: str, batch: str, events: Sequence[Event]) -> None:
        """Write the events. ``batch`` names them within the run: the same batch twice is written once."""

    def read(self, run_id: str, *, limit: int = 1000, cursor: str | None = None) -> Page[Event]:
        """In order of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRecord:
    """Latest materialization of an asset, or of one partition of it."""

    asset: str
    partition: str | None
    run_id: str
    at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    data_version: str | None = None
    code_version: str | None = None


class AssetStore(Protocol):
    """Table ``assets``."""

    def materialized(self, records: Iterable[AssetRecord]) -> None:
        """Record each unless a later one is stored."""

    def latest(self, asset: str, partition: str | None = None) -> AssetRecord | None: ...

    def partitions(
        self, asset: str, *, limit: int = 1000, cursor: str | None = None
    ) -> Page[AssetRecord]: ...


class AuditStore(Protocol):
    """Table ``audit``: who changed what. Rows are never changed but to say that a change is done, and never deleted."""

    def begin(self, change: Change) -> Change:
        """Write the change before it is made. Answers the one stored under its id, which may be an earlier one."""

    def done(self, change: Change) -> None:
        """Say that it is made."""

    def find(self, change_id: str) -> Change | None:
        """The change, if it was begun or made."""

    def history(self, subject: str, *, limit: int = 50, cursor: str | None = None) -> Page[Change]:
        """Changes of a subject, newest first."""


class Store(Protocol):
    """The control tables."""

    @property
    def runs(self) -> RunStore: ...
    @property
    def admission(self) -> AdmissionStore: ...
    @property
    def events(self) -> EventStore: ...
    @property
    def assets(self) -> AssetStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def automation(self) -> AutomationStore: ...
    @property
    def partition_states(self) -> PartitionStates: ...
    @property
    def partition_holds(self) -> PartitionHolds: ...


class Blobs(Protocol):
    """A bucket. Keys are slash-separated; a blob is there whole or not at all."""

    def put(self, key: str, body: bytes) -> None: ...
    def get(self, key: str, *, most: int | None = None) -> bytes | None:
        """The object, or as many bytes of it as ``most``; None: it is not there."""


class Launcher(Protocol):
    def start(self, task: StepTask) -> datetime | None:
        """Start the step's execution. A second start of the same attempt does nothing.

        Answers when it began; None if it is over, or was begun by another task.
        """

    def stop(self, run_id: str, index: int, attempt: int) -> None:
        """Stop the attempt's execution and its container; user code on Lambda runs on, unheard. One that is over, or was
        never started, is left alone."""


class RunQueue(Protocol):
    def enqueue(self, run_id: str) -> None:
        """See that the ``queue`` function admits the run: soon, at least once, whatever becomes of the caller."""

    def enqueue_all(self, run_ids: Sequence[str]) -> None:
        """As ``enqueue``, for each of them, in fewer calls."""


class Bus(Protocol):
    def publish(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Tell the outside world. At least once; nothing in Tidegate depends on it."""


__all__ = [
    "AdmissionStore",
    "Alarms",
    "AssetRecord",
    "AssetStore",
    "AuditStore",
    "AutomationStore",
    "Blobs",
    "Bus",
    "Change",
    "Clock",
    "Event",
    "EventStore",
    "Ids",
    "Launcher",
    "Page",
    "PartitionHolds",
    "PartitionStates",
    "RunQueue",
    "RunStore",
    "Store",
]
