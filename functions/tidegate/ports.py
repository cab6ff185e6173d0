"""What the use cases need from outside. Each port has an implementation on AWS and one in memory.

Store methods are the access patterns, one atomic step each. A method that changes state is conditional and may be
repeated: called twice with the same arguments it changes things once and answers the same. All of them raise
``ThrottledError`` / ``ConflictError`` (nothing was written) or ``UnavailableError`` (not known), and the caller
may call again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tidegate.domain.arrival import Arrival, Gathered
from tidegate.domain.claim import NOTHING, Claim, Limit, Line, Queue, Refusal, Spend, Standing
from tidegate.domain.execution import StepTask
from tidegate.domain.fairness import Pace, Turn
from tidegate.domain.run import Run, RunStatus, StepRow, StepStatus, StopCause

if TYPE_CHECKING:
    from tidegate.automation_ports import AutomationStore, PartitionHolds, PartitionStates

T = TypeVar("T")


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, in UTC."""


class Ids(Protocol):
    def run_id(self, now: datetime) -> str:
        """A new run id: a UUID that sorts by time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    cursor: str | None = None
    """Give it back to read on; None at the end."""


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
    ) -> Run | None:
        """Change the status if it is one of ``leaves``; each sets its time.

        ``stop_cause`` goes with CANCELING.

        Answers the run after the change; None if the run is not there or its status is not one of ``leaves``.
        """

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


class AdmissionStore(Protocol):
    """Table ``admission``: limits, holds, waits and claims. See ``app/admission/engine.py`` for the protocol they serve.

    All reads are strongly consistent but ``limits`` and ``unlaunched``. A write that answers a ``Refusal`` wrote nothing.
    """

    def claim(self, claim_id: str) -> Claim | None: ...

    def claims(self, claim_ids: Sequence[str]) -> list[Claim]:
        """Those that exist, in no order."""

    def line(self, key: str, count: int) -> Line:
        """A limit and the first ``count`` in its line, as of one moment."""

    def queue(self, queue: str, count: int) -> Queue:
        """Where a queue of several limits stands, and its first ``count`` claims, as of one moment."""

    def admit(self, claim: Claim, *, spend: Mapping[str, Spend] = NOTHING) -> Refusal | None:
        """Write a new claim as HELD with all its units; limits without a row are created.

        A limit lets it in if it has room, and no gate before the claim's order key; one with a rate, only by a
        ``spend`` that starts from where it is.
        """

    def park(self, claim: Claim, *, turn: Turn | None = None) -> bool:
        """Write a new claim as WAITING, in its queue. False: the claim exists.

        With a ``turn`` its value's turns are used up further, by the same write; False also if they are not as it was.
        """

    def pace(self, claim: Claim) -> Pace:
        """What is remembered of the fairness that governs the claim: of the line, and of its value."""

    def reached(self, claim: Claim, place: int) -> None:
        """Remember how far the line of the claim's fairness has come; nothing changes if it was further."""

    def entries(self, key: str, start: str, count: int) -> list[Claim | Standing]:
        """The first ``count`` entries, from an order key on, of a limit's line or of a queue."""

    def refuse(self, claim: Claim, *, expires_at: datetime) -> bool:
        """Write a new claim as DONE: it would not wait. False: the claim exists."""

    def grant(
        self,
        claim: Claim,
        *,
        served: str,
        spend: Mapping[str, Spend] = NOTHING,
        by: str | None = None,
    ) -> Refusal | None:
        """WAITING -> HELD, out of its queue, with all its units. ``claim`` is as it shall be.

        It is the first in line of ``served``, whose gate does not apply to it. ``by`` is the claim whose call
        this is; it records the grant.
        """

    def release(
        self,
        claim: Claim,
        *,
        to: Claim | None,
        closing: Collection[str],
        expires_at: datetime,
        spend: Mapping[str, Spend] = NOTHING,
    ) -> Refusal | None:
        """HELD -> DONE; its units are free, or, in the same moment, those of the waiting claim ``to``.

        The count of a limit of which both want the same is not touched, nor its rate if nothing is spent of it. Limits of ``closing`` whose count changes are
        closed by their gate; another that gets room must have had some, so that nobody waits for it. What ``to`` wants beyond what ``claim`` gives is granted as ``grant`` does.
        """

    def withdraw(self, claim: Claim, *, expires_at: datetime) -> bool:
        """WAITING -> DONE, out of its queue, and its turn is its value's again. False: it does not wait."""

    def launched(self, claim_id: str) -> None:
        """Record that the claim has been launched."""

    def stand(
        self,
        was: Standing | None,
        now: Standing | None,
        *,
        refused: Claim | None = None,
        used_until: int | None = None,
    ) -> bool:
        """Put a queue in a line, move it, or take it away (``now`` None). False: it does not stand as in ``was`` any more.

        With ``refused``, only if the limit where it shall stand would refuse that claim at this moment; also if its
        rate is where it was seen to refuse it, at ``used_until``.
        """

    def create_limit(self, new: Limit) -> Limit:
        """Create the limit unless it is there; answers it as it is then."""

    def set_limit(self, now: Limit, *, was: Limit | None, change: Change | None = None) -> bool:
        """Give the limit the capacity, source and rate of ``now``, and close its gate, if they are still those of ``was``.

        ``was`` None: it has no row. A rate that changes is used up as ``now`` says, and only if it still was as in ``was``.
        ``change`` is written to the audit in the same moment, as done. False: the limit was set otherwise
        meanwhile, or the change is in the audit already.
        """

    def set_gate(self, key: str, was: str | None, now: str | None) -> bool:
        """Change the gate of a limit. False: it is not ``was`` any more."""

    def drop_limit(self, key: str) -> bool:
        """Forget a limit. False: something holds it."""

    def limits(self) -> list[Limit]:
        """All limits but those of single runs (``run/...``), by key. One read per 100 limits, by an index of their keys."""

    def holders(self, key: str, count: int) -> list[str]:
        """Claims that hold units of a limit, at most ``count``."""

    def ahead(self, key: str, order_key: str, at_most: int) -> int:
        """How many entries of a limit's line, or claims of a queue, come before the key; counted up to ``at_most``."""

    def unlaunched(self, before: datetime, count: int) -> list[Claim]:
        """HELD claims granted before that moment and not launched, from a sparse index."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something a person, or a deploy, changed."""

    change_id: str
    """Of the request: asked for twice, it is one change."""
    subject: str
    """What was changed: ``limit/pool/db``."""
    action: str
    """``set``, ``pause``, ``resume``, or ``settings`` when a deploy did it."""
    by: str
    at: datetime
    before: Mapping[str, Any] | None
    """None: it was not there."""
    after: Mapping[str, Any]
    is_done: bool = False
    """False: it was asked for, and whoever did it has not come back to say that it is done."""


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
