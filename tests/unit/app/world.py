"""The use cases on memory: a world whose user code is played by the test."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.adapters.ids import TimeOrderedIds
from tidegate.adapters.memory.alarms import MemoryAlarms
from tidegate.adapters.memory.blobs import MemoryBlobs
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.launcher import MemoryLauncher
from tidegate.adapters.memory.store import MemoryStore
from tidegate.app.admission.engine import Admission
from tidegate.app.backfills.drive import drive
from tidegate.app.runs.admit import admit
from tidegate.app.runs.planning import plan_of
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.services import Manifests, Services
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.wake import wake
from tidegate.domain.settings import Settings
from tidegate.domain.task import Report, StepFailure
from tidegate.errors import StoreError
from tidegate.manifest.document import Manifest

START = datetime(2026, 1, 1, tzinfo=UTC)


class Crash(BaseException):
    """The function died."""


@dataclass
class Trouble:
    """Strikes at one call among all calls to ports: before it is done, or after. The caller dies, or gets the error."""

    at: int = -1
    after: bool = False
    error: Callable[[], BaseException] = Crash
    calls: int = 0
    action: Callable[[], Any] | None = None
    """Done at that call, in place of dying: what another function does in between."""

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if number == self.at and not self.after:
                self._strike()
            answer = call(*args, **kwargs)
            if number == self.at and self.after:
                self._strike()
            return answer

        return wrapped

    def _strike(self) -> None:
        if self.action is None:
            raise self.error()
        self.action()


class Shaky:
    """A port every call of which may be struck."""

    def __init__(self, port: Any, trouble: Trouble) -> None:
        self._port, self._trouble = port, trouble

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._trouble.around(found) if callable(found) else found


class WakeUps:
    """The queue function's events, to be delivered by the world."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def enqueue(self, run_id: str) -> None:
        self.waiting.append(run_id)

    def enqueue_all(self, run_ids: Sequence[str]) -> None:
        self.waiting += run_ids


class BackfillEvents:
    """The backfill function's events, to be delivered by the world."""

    def __init__(self) -> None:
        self.waiting: list[dict[str, Any]] = []

    def wake(self, event: Mapping[str, Any]) -> None:
        self.waiting.append(dict(event))


class World:
    """A control plane on memory. ``settle`` plays Lambda, Step Functions and the user's code."""

    def __init__(self, manifest: Manifest, settings: Settings) -> None:
        self.trouble = Trouble()
        self.clock = ManualClock(START)
        self.store = MemoryStore(clock=self.clock)
        self.launcher = MemoryLauncher(clock=self.clock)
        self.wake_ups = WakeUps()
        self.backfill_events = BackfillEvents()
        self.alarms = MemoryAlarms()
        self.bus = MemoryBus()
        self.failing: set[str] = set()
        self.failures: Counter[str] = Counter()
        """How often more the attempts of a step fail, for each run."""
        self._failed: Counter[tuple[str, str]] = Counter()
        self.ran: list[str] = []
        self.ran_partitions: list[tuple[str, str | None]] = []
        self.keys: dict[str, list[str]] = {}
        """Step -> mapping keys of its output ``result``, when that is dynamic."""
        self.withheld: set[str] = set()
        """Steps, or ``step[key]``, that do not make their output."""
        self._completed: set[str] = set()
        shaky_store = _ShakyStore(self.store, self.trouble)
        blobs = MemoryBlobs()
        shaky_blobs = Shaky(blobs, self.trouble)
        alarms: Any = Shaky(self.alarms, self.trouble)
        self.services = Services(
            store=shaky_store,  # type: ignore[arg-type]
            admission=Admission(
                shaky_store.admission, self.clock, pause=lambda _: None, alarms=alarms
            ),
            blobs=shaky_blobs,  # type: ignore[arg-type]
            launcher=Shaky(self.launcher, self.trouble),  # type: ignore[arg-type]
            queue=Shaky(self.wake_ups, self.trouble),  # type: ignore[arg-type]
            backfills=Shaky(self.backfill_events, self.trouble),  # type: ignore[arg-type]
            alarms=alarms,
            bus=Shaky(self.bus, self.trouble),  # type: ignore[arg-type]
            clock=self.clock,
            ids=TimeOrderedIds(random.Random(0).randbytes),
            settings=settings,
            manifests=Manifests(manifest, blobs),
        )

    def submit(self, job: str, **fields: Any) -> str:
        return self.again(lambda: submit(self.services, RunRequest(job=job, **fields))).run_id

    def again(self, call: Callable[[], Any]) -> Any:
        """What Lambda, Step Functions or a patient caller does when the function dies: call it again."""
        while True:
            try:
                return call()
            except (Crash, StoreError):
                self.services.opened.clear()  # another process takes over

    def settle(self) -> None:
        while True:
            if self.wake_ups.waiting:
                run_id = self.wake_ups.waiting.pop(0)
                self.again(lambda one=run_id: admit(self.services, one))
                continue
            if self.backfill_events.waiting:
                event = self.backfill_events.waiting.pop(0)
                self.again(lambda one=event: drive(self.services, one))
                continue
            todo = [name for name in self.launcher.started if name not in self._completed]
            if not todo:
                return
            self.play(todo[0])

    def advance(self, **duration: float) -> None:
        """Let time pass (arguments as of ``timedelta``); alarms go off in order of time, and everything settles."""
        self.settle()
        until = self.clock.now() + timedelta(**duration)
        while (at := self.alarms.next_at) is not None and at <= until:
            self.clock.advance(max(at - self.clock.now(), timedelta(0)))
            task = self.alarms.take(self.clock.now())
            self.again(lambda one=task: wake(self.services, one))
            self.settle()
        self.clock.advance(max(until - self.clock.now(), timedelta(0)))

    def settle_wake_ups(self) -> None:
        """Deliver the queue function's events; executions stay where they are."""
        while self.wake_ups.waiting:
            run_id = self.wake_ups.waiting.pop(0)
            self.again(lambda one=run_id: admit(self.services, one))

    def play(self, name: str) -> None:
        """Run one execution of the step state machine to its end."""
        self._completed.add(name)
        outcome = self.outcome_of(name)
        self.again(lambda: complete(self.services, outcome))

    def outcome_of(self, name: str) -> Mapping[str, Any]:
        state = self.launcher.started[name]
        key = state["invocation"]["mapping_key"]
        step = state["invocation"]["step"] + (f"[{key}]" if key else "")
        self.ran.append(step)
        self.ran_partitions.append((step, state["invocation"]["partition_key"]))
        self.clock.advance(timedelta(seconds=1))
        partition = state["invocation"]["partition_key"]
        failed = not self.failing.isdisjoint({step, f"{step}@{partition}"})
        failed = failed or self._fails_once_more(state["run_id"], step)
        report = Report(
            run_id=state["run_id"],
            index=state["index"],
            attempt=state["attempt"],
            started_at=self.clock.now() - timedelta(seconds=1),
            finished_at=self.clock.now(),
            produced=() if failed or step in self.withheld else ("result",),
            mapping_keys={}
            if failed or step in self.withheld or step not in self.keys
            else {"result": tuple(self.keys[step])},
            failure=StepFailure(error="ValueError", message="no") if failed else None,
        )
        return {**state, "result": {"report": json.loads(json.dumps(report.to_json()))}}

    def _fails_once_more(self, run_id: str, step: str) -> bool:
        self._failed[run_id, step] += 1
        return self._failed[run_id, step] <= self.failures[step]

    def statuses(self, run_id: str) -> dict[str, str]:
        run = self.store.runs.get(run_id)
        assert run is not None
        plan = plan_of(self.services, run)
        rows = {row.index: row.status.value for row in self.store.runs.steps(run_id)}
        return {step.key: rows.get(step.index, "PENDING") for step in plan.all_steps()}

    def status(self, run_id: str) -> str:
        run = self.store.runs.get(run_id)
        assert run is not None
        return run.status.value


class _ShakyStore:
    def __init__(self, store: MemoryStore, trouble: Trouble) -> None:
        self.runs = Shaky(store.runs, trouble)
        self.admission = Shaky(store.admission, trouble)
        self.events = Shaky(store.events, trouble)
        self.assets = Shaky(store.assets, trouble)
        self.audit = Shaky(store.audit, trouble)
        self.automation = Shaky(store.automation, trouble)
        self.partition_states = Shaky(store.partition_states, trouble)
        self.partition_holds = Shaky(store.partition_holds, trouble)
