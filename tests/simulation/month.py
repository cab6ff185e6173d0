"""A month in the life of a deployment: the use cases on memory, with time simulated, and trouble at random calls.

A function that dies is called again as on AWS: an asynchronous event twice more and then never, Complete and alarms until they
succeed. The rest is the sweep's. The same seed is the same month.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.app.manifests import DIAMOND, fan_out, manifest_of, step_doc
from tidegate.adapters.ids import TimeOrderedIds
from tidegate.adapters.memory.blobs import MemoryBlobs
from tidegate.adapters.memory.bus import MemoryBus
from tidegate.adapters.memory.launcher import MemoryLauncher
from tidegate.adapters.memory.store import MemoryStore
from tidegate.app.admission.engine import Admission
from tidegate.app.runs.admit import admit
from tidegate.app.runs.cancel import request_cancel
from tidegate.app.runs.submit import RunRequest, submit
from tidegate.app.services import Manifests, Services
from tidegate.app.steps.complete import complete
from tidegate.app.upkeep.sweep import sweep
from tidegate.app.upkeep.wake import wake
from tidegate.domain.claim import ClaimState
from tidegate.domain.rate import Rate
from tidegate.domain.run import execution_name
from tidegate.domain.settings import Settings
from tidegate.domain.task import Report, StepFailure
from tidegate.errors import ConflictError, ThrottledError, UnavailableError
from tidegate.local.clock import SimulatedClock
from tidegate.local.loop import Loop
from tidegate.manifest.document import Manifest

START = datetime(2026, 1, 1, tzinfo=UTC)
RETRY = {"max_retries": 2, "delay": 60.0, "backoff": None, "jitter": None, "retry_on": None}
SETTINGS = Settings(
    max_concurrent_runs=8,
    pools={"db": 3, "api": 8},
    max_run_retries=2,
    run_retry_delay_seconds=300,
)
JOBS = ("diamond", "chain", "chain", "busy", "busy", "busy", "busy", "paced", "paced", "fan")
MOST_VALUES = 8
"""Of a dynamic output."""
SWEEP_EVERY = timedelta(minutes=5)
ASYNC_DELAYS = (timedelta(minutes=1), timedelta(minutes=2))
PORTS = (
    "runs",
    "admission",
    "events",
    "assets",
    "audit",
    "automation",
    "partition_states",
    "partition_holds",
)
END_KINDS = frozenset({"RUN_SUCCESS", "RUN_FAILURE", "RUN_CANCELED"})

Call = Callable[[], Any]


class Crash(BaseException):
    """The function died."""


def code(version: int) -> Manifest:
    """What is deployed; each version has other steps in one of its jobs."""
    chain = [step_doc("s0", retry=RETRY)]
    chain += [step_doc(f"s{n}", f"s{n - 1}") for n in range(1, 2 + version % 3)]
    return manifest_of(
        diamond=DIAMOND,
        chain=chain,
        busy=[step_doc("one", pools={"db": 1}, retry=RETRY)],
        paced=[step_doc("call", pools={"api": 1}, retry=RETRY), step_doc("after", "call")],
        fan=fan_out(),
    )


@dataclass
class Trouble:
    """Strikes calls at random."""

    chance: random.Random
    rate: float
    struck: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.chance.random() >= self.rate:
                return call(*args, **kwargs)
            return self._strike(call, args, kwargs)

        return wrapped

    def _strike(self, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        errors: list[type[BaseException]] = [ThrottledError, ConflictError, UnavailableError, Crash]
        error, after = self.chance.choice(errors), self.chance.random() < 0.5
        is_done = after and error in (UnavailableError, Crash)
        self.struck[f"{error.__name__} {'after' if is_done else 'before'}"] += 1
        if is_done:
            call(*args, **kwargs)
        raise error("by chance")


class Shaky:
    def __init__(self, port: Any, trouble: Trouble) -> None:
        self._port, self._trouble = port, trouble
        self._known: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name not in self._known:
            found = getattr(self._port, name)
            self._known[name] = self._trouble.around(found) if callable(found) else found
        return self._known[name]


class Outside:
    """A store whose ports may be struck."""

    def __init__(self, store: MemoryStore, trouble: Trouble) -> None:
        for name in PORTS:
            setattr(self, name, Shaky(getattr(store, name), trouble))


class Month:
    """``play`` it, then look at ``wrong``."""

    def __init__(self, *, seed: int, runs: int, rate: float = 0.002, days: int = 30) -> None:
        self.chance = random.Random(seed)
        self.days, self.wanted = days, runs
        self.loop = Loop(SimulatedClock(START))
        self.clock = self.loop.clock
        self.trouble = Trouble(random.Random(seed + 1), rate)
        self.store = MemoryStore(clock=self.clock, retention_days=None)
        self.launcher = MemoryLauncher(clock=self.clock)
        self.blobs = MemoryBlobs()
        self.runs: list[str] = []
        self.counts: Counter[str] = Counter()
        self.repairs: Counter[str] = Counter()
        self.played: Counter[str] = Counter()
        self.most_in_pool = 0
        self._alarms: set[str] = set()
        spacing = timedelta(days=days) / max(1, runs * JOBS.count("paced") / len(JOBS))
        self.rate = Rate(limit=1, per=spacing * 0.6)
        self.services = self._build()

    def _build(self) -> Services:
        outside: Any = Outside(self.store, self.trouble)
        me: Any = Shaky(_Ports(self), self.trouble)
        return Services(
            store=outside,
            admission=Admission(outside.admission, self.clock, pause=_no_pause, alarms=me),
            blobs=Shaky(self.blobs, self.trouble),  # type: ignore[arg-type]
            launcher=me,
            queue=me,
            backfills=me,
            alarms=me,
            bus=Shaky(MemoryBus(), self.trouble),  # type: ignore[arg-type]
            clock=self.clock,
            ids=TimeOrderedIds(random.Random(0).randbytes),
            settings=replace(SETTINGS, rates={"pool/api": self.rate}),
            manifests=Manifests(code(0), self.blobs),
        )

    # What happens ---------------------------------------------------------------------------------------------

    def play(self) -> None:
        logger = logging.getLogger("tidegate")
        was, logger.disabled = logger.level, True
        logger.setLevel(logging.CRITICAL + 1)
        try:
            self._plan()
            self.loop.advance(timedelta(days=self.days + 2))
        finally:
            logger.disabled = False
            logger.setLevel(was)

    def _plan(self) -> None:
        seconds = self.days * 86_400
        for number in range(self.wanted):
            at = START + timedelta(seconds=self.chance.random() * seconds)
            self.loop.call_at(at, lambda one=number: self._submit(one))
        for day in range(self.days):
            self.loop.call_at(START + timedelta(days=day + 0.4), lambda one=day: self._deploy(one))
        self.loop.call_later(SWEEP_EVERY, self._tick)

    def _submit(self, number: int) -> None:
        request = RunRequest(job=self.chance.choice(JOBS), run_key=str(number))
        run_id = self._persist(lambda: submit(self.services, request)).run_id
        self.runs.append(run_id)
        if self.chance.random() < 0.05:
            delay = timedelta(seconds=self.chance.random() * 600)
            self.loop.call_later(delay, lambda: self._cancel(run_id))

    def _cancel(self, run_id: str) -> None:
        self.counts["cancels asked for"] += 1
        self._persist(lambda: request_cancel(self.services, run_id))

    def _deploy(self, day: int) -> None:
        self.counts["deploys"] += 1
        self.services = replace(
            self.services, manifests=Manifests(code(day + 1), self.blobs), published=set()
        )

    def _tick(self) -> None:
        self.event(lambda: self.repairs.update(sweep(self.services)))
        self.loop.call_later(SWEEP_EVERY, self._tick)

    # Functions, and who calls them again ----------------------------------------------------------------------

    def _persist(self, call: Call) -> Any:
        """A client that asks until it is answered."""
        while True:
            try:
                return call()
            except (Crash, ThrottledError, ConflictError, UnavailableError):
                self.services.opened.clear()

    def event(self, call: Call, attempt: int = 0) -> None:
        """An asynchronous event: three times, and then never."""
        if self._dies(call):
            if attempt < len(ASYNC_DELAYS):
                self.loop.call_later(ASYNC_DELAYS[attempt], lambda: self.event(call, attempt + 1))
            else:
                self.counts["events given up"] += 1

    def until_done(self, call: Call) -> None:
        """As Step Functions calls."""
        if self._dies(call):
            self.loop.call_later(timedelta(seconds=2), lambda: self.until_done(call))

    def _dies(self, call: Call) -> bool:
        try:
            call()
        except (Crash, ThrottledError, ConflictError, UnavailableError):
            self.services.opened.clear()  # the next sandbox knows nothing
            self.counts["functions died"] += 1
            return True
        return False

    # User code ------------------------------------------------------------------------------------------------

    def begin(self, state: Mapping[str, Any]) -> None:
        name = execution_name(state["run_id"], state["index"], state["attempt"])
        self.played[name] += 1
        seconds = 5 + self.chance.random() * 600
        fails, dies = self.chance.random() < 0.08, self.chance.random() < 0.01
        keys = tuple(f"v{n}" for n in range(self.chance.randrange(MOST_VALUES)))
        began = self.clock.now()
        limit = self.store.admission.line("pool/db", 0).limit
        self.most_in_pool = max(self.most_in_pool, 0 if limit is None else limit.in_use)

        def end() -> None:
            if name in self.launcher.stopped:
                return
            outcome = dict(state) | _outcome(state, began, self.clock.now(), fails, dies, keys)
            self.until_done(lambda: complete(self.services, outcome))

        self.loop.call_later(timedelta(seconds=seconds), end)

    def alarm(self, at: datetime, task: Mapping[str, Any]) -> None:
        key = f"{at.isoformat()} {sorted(task.items())}"
        if key not in self._alarms:
            self._alarms.add(key)
            self.counts[f"alarms: {task['kind']}"] += 1
            woken = dict(task) | {"at": at.isoformat()}
            self.loop.call_at(
                at, lambda: self.until_done(lambda: wake(self.services, woken, pause=_no_pause))
            )

    # What must hold -------------------------------------------------------------------------------------------

    def wrong(self) -> list[str]:
        found = [f"{name} ran {times} times" for name, times in self.played.items() if times != 1]
        for limit in self.store.admission.limits():
            if limit.in_use:
                found.append(f"{limit.key} has {limit.in_use} in use")
        for claim in self.store.admission._claims.values():
            if claim.state is not ClaimState.DONE:
                found.append(f"{claim.claim_id} is {claim.state}")
        if self.most_in_pool > SETTINGS.pools["db"]:
            found.append(f"{self.most_in_pool} were in pool db")
        if len(set(self.runs)) != self.wanted:
            found.append(f"{len(set(self.runs))} runs of {self.wanted}")
        every = self.store.runs._runs
        self.counts["retries of runs"] = len(every) - len(set(self.runs))
        return found + [said for run_id in every for said in self._wrong_with(run_id)]

    def _wrong_with(self, run_id: str) -> list[str]:
        run = self.store.runs.get(run_id)
        if run is None or not run.status.is_finished:
            return [f"run {run_id} is {run and run.status}"]
        self.counts[f"ended as {run.status}"] += 1
        found = [
            f"step {run_id}/{row.index} is {row.status}"
            for row in self.store.runs.steps(run_id)
            if not row.status.is_resolved
        ]
        kinds = Counter(
            (str(one.kind), one.step, one.attempt)
            for one in self.store.events.read(run_id, limit=1000).items
        )
        found += [f"{run_id} was told {what} {n} times" for what, n in kinds.items() if n > 1]
        ends = {kind for kind, _, _ in kinds if kind in END_KINDS}
        if ends != {f"RUN_{run.status}"}:
            found.append(f"{run_id} is {run.status}, and its events say {sorted(ends)}")
        return found


class _Ports:
    """Everything the control plane starts and does not wait for."""

    def __init__(self, month: Month) -> None:
        self._month = month

    def enqueue(self, run_id: str) -> None:
        month = self._month
        month.loop.call_soon(lambda: month.event(lambda: admit(month.services, run_id)))

    def enqueue_all(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            self.enqueue(run_id)

    def wake(self, event: Mapping[str, Any]) -> None:
        """No backfill is in this month."""

    def set(self, at: datetime, task: Mapping[str, Any]) -> None:
        self._month.alarm(at, task)

    def start(self, task: Any) -> datetime | None:
        month = self._month
        name = execution_name(task.run_id, task.index, task.attempt)
        is_new = name not in month.launcher.started
        began = month.launcher.start(task)
        if is_new:
            state = month.launcher.started[name]
            month.loop.call_soon(lambda: month.begin(state))
        return began

    def stop(self, run_id: str, index: int, attempt: int) -> None:
        self._month.launcher.stop(run_id, index, attempt)


def _outcome(
    state: Mapping[str, Any],
    began: datetime,
    now: datetime,
    fails: bool,
    dies: bool,
    keys: tuple[str, ...],
) -> dict[str, Any]:
    if dies:
        return {"error": {"Error": "Runtime.ExitError", "Cause": "{}"}}
    is_dynamic = state["invocation"]["step"] == "source"
    report = Report(
        run_id=state["run_id"],
        index=state["index"],
        attempt=state["attempt"],
        started_at=began,
        finished_at=now,
        produced=() if fails else ("result",),
        mapping_keys={"result": keys} if is_dynamic and not fails else {},
        failure=StepFailure(error="ValueError", message="no") if fails else None,
    )
    return {"result": {"report": report.to_json()}}


def _no_pause(seconds: float) -> None:
    """Time does not pass within a call."""
