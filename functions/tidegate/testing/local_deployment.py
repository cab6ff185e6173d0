"""``LocalDeployment``: the handlers, tables and state machine that CDK deploys, under a test's control."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tidegate.app.partitions import asset_states
from tidegate.local.clock import SimulatedClock
from tidegate.local.deployment import Deployment
from tidegate.settings_file import load_settings
from tidegate.testing.views import BackfillView, EventView, LimitView, RunView

if TYPE_CHECKING:
    from tidegate.local.faults import Faults
    from tidegate.ports import AssetRecord
    from tidegate.sdk.definitions import Definitions


class LocalDeployment:
    """A deployment on simulated time. The same test does the same things in the same order.

    Args:
        defs: what to deploy. An asset or op on ECS runs in a process of its own, which imports ``defs`` again: for
            those it must be a module-level name.
        settings: as in ``tidegate.yaml``.
        now: where the clock starts.
        store: the engine under DynamoDB: ``moto``, or ``dynoxide`` where it is installed.
        step_seconds: how long each step on Lambda lasts on the simulated clock.
    """

    def __init__(
        self,
        defs: Definitions,
        *,
        settings: Mapping[str, Any] | None = None,
        now: str | datetime = "2026-01-01T00:00:00+00:00",
        store: str = "moto",
        step_seconds: float = 0,
    ) -> None:
        start = datetime.fromisoformat(now) if isinstance(now, str) else now
        self._deployment = Deployment(
            defs,
            settings=load_settings(None, {}, overrides=settings),
            clock=SimulatedClock(start),
            store=store,
            step_time=timedelta(seconds=step_seconds),
        )

    def __enter__(self) -> Self:
        self._deployment.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deployment.stop()

    # Time -----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self._deployment.aws.clock.now()

    def settle(self) -> None:
        """Go on until nothing can move without time passing or something from outside."""
        self._deployment.aws.loop.run_until_idle()

    def advance(self, **duration: float) -> None:
        """Let time pass (arguments as of ``timedelta``); what falls due happens in order of time."""
        self.settle()
        self._deployment.aws.loop.advance(timedelta(**duration))

    # Asking for work ------------------------------------------------------------------------------------------

    def call(self, action: str, **fields: Any) -> dict[str, Any]:
        """One request to the API, as the CLI makes it.

        Raises:
            TidegateError: the request was refused.
        """
        return self._deployment.call(action, **fields)

    def submit(
        self,
        job: str,
        *,
        run_config: Any = None,
        tags: Mapping[str, str] | None = None,
        partition_key: str | None = None,
        run_key: str | None = None,
        trigger: str | None = None,
        on_conflict: str | None = None,
    ) -> str:
        """Submit a run of a job. Answers its id; nothing has moved before ``settle``.

        By a conflict policy it may be over at once: ``run(id).lost_to`` names the runs that came first.
        """
        return self._run_id(
            "submit",
            run_config,
            tags,
            job=job,
            partition_key=partition_key,
            run_key=run_key,
            trigger=trigger,
            on_conflict=on_conflict,
        )

    def materialize(
        self,
        selection: str,
        *,
        run_config: Any = None,
        tags: Mapping[str, str] | None = None,
        partition_key: str | None = None,
        run_key: str | None = None,
        trigger: str | None = None,
        on_conflict: str | None = None,
    ) -> str:
        """Submit a run of the selected assets."""
        return self._run_id(
            "materialize",
            run_config,
            tags,
            selection=selection,
            partition_key=partition_key,
            run_key=run_key,
            trigger=trigger,
            on_conflict=on_conflict,
        )

    def backfill(
        self,
        selection: str | None = None,
        *,
        job: str | None = None,
        partitions: Sequence[str] | None = None,
        range: tuple[str, str] | None = None,
        all_partitions: bool = False,
        only: str | None = None,
        tags: Mapping[str, str] | None = None,
        run_config: Any = None,
        order: str = "asc",
        max_outstanding: int | None = None,
        title: str | None = None,
    ) -> str:
        """Launch a backfill of the selected assets, or of a job: of these partitions, of all from one to another, of all
        there are; ``only`` those that are ``missing`` or ``failed``. Answers its id."""
        result = self.call(
            "backfills.launch",
            selection=selection,
            job=job,
            partition_keys=None if partitions is None else list(partitions),
            partition_range=None if range is None else "...".join(range),
            all_partitions=all_partitions,
            only=only,
            tags=None if tags is None else dict(tags),
            run_config=run_config,
            order=order,
            max_outstanding=max_outstanding,
            title=title,
        )
        return str(result["backfill_id"])

    def backfill_status(self, backfill_id: str) -> BackfillView:
        shown = self.call("backfills.show", backfill_id=backfill_id)
        names = BackfillView.__dataclass_fields__
        return BackfillView(**{name: shown[name] for name in names})

    def partition_status(self, asset: str) -> dict[str, str]:
        """Partition key -> MATERIALIZED, STALE, FAILED, IN_PROGRESS or MISSING."""
        _, space, states = asset_states(self._deployment.services, asset)
        found = {number: status.value for status, numbers in states.items() for number in numbers}
        return {space.key(number): found[number] for number in sorted(found)}

    def add_partitions(self, name: str, keys: Sequence[str]) -> None:
        """Add keys to the dynamic partitions of this name."""
        self.call("partitions.add", name=name, keys=list(keys))

    def delete_partition(self, name: str, key: str) -> None:
        self.call("partitions.delete", name=name, key=key)

    def _run_id(
        self,
        action: str,
        run_config: Any,
        tags: Mapping[str, str] | None,
        **fields: Any,
    ) -> str:
        config = (
            run_config.to_config_dict() if hasattr(run_config, "to_config_dict") else run_config
        )
        given = {
            "run_config": config,
            "tags": None if tags is None else dict(tags),
        }
        result = self.call(action, **fields, **given)
        return str(result["run_id"])

    def cancel(self, run_id: str, *, reason: str | None = None) -> str:
        """Cancel a run. Answers its status: CANCELED if it was queued, CANCELING until ``settle`` if it was under way, else
        how it has ended."""
        return str(self.call("runs.cancel", run_id=run_id, reason=reason)["status"])

    def retry(
        self,
        run_id: str,
        *,
        strategy: str | None = None,
        steps: Sequence[str] | None = None,
        run_key: str | None = None,
    ) -> str:
        """Submit another run in place of one that is over. Answers its id."""
        result = self.call(
            "runs.retry",
            run_id=run_id,
            strategy=strategy,
            steps=None if steps is None else list(steps),
            run_key=run_key,
        )
        return str(result["run_id"])

    def set_limit(
        self,
        key: str,
        capacity: int | None = None,
        *,
        rate: Mapping[str, Any] | None = None,
        no_rate: bool = False,
    ) -> None:
        """Change the capacity, the rate (as in the settings: limit, per, burst), or both; ``no_rate`` takes the rate away."""
        self.call("limits.set", key=key, capacity=capacity, rate=rate, no_rate=no_rate)

    def pause_limit(self, key: str) -> None:
        self.call("limits.pause", key=key)

    def resume_limit(self, key: str) -> None:
        self.call("limits.resume", key=key)

    def deploy(self, defs: Definitions, *, settings: Mapping[str, Any] | None = None) -> None:
        """Deploy other definitions, and settings, while runs wait or run: those go on with what they were submitted to.

        Settings that are left out stay as they are.
        """
        given = None if settings is None else load_settings(None, {}, overrides=settings)
        self._deployment.deploy(defs, given)

    def deploy_settings(self, settings: Mapping[str, Any]) -> None:
        """What a deploy of the same definitions with other settings does."""
        self._deployment.deploy(settings=load_settings(None, {}, overrides=settings))

    # Looking --------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> RunView:
        shown = self.call("runs.show", run_id=run_id)
        return RunView(
            run_id=run_id,
            job=shown["job"],
            status=shown["status"],
            tags=shown["tags"],
            steps={one["step"]: one["status"] for one in shown["steps"]},
            reasons={one["step"]: one["reason"] for one in shown["steps"] if one["reason"]},
            reason=shown["reason"],
            partition_key=shown["partition_key"],
            created_at=datetime.fromisoformat(shown["created_at"]),
            started_at=_moment(shown["started_at"]),
            finished_at=_moment(shown["finished_at"]),
            lost_to=tuple(shown["lost_to"]),
            events=tuple(
                EventView(**{**one, "at": datetime.fromisoformat(one["at"])})
                for one in self._events(run_id)
            ),
        )

    def _events(self, run_id: str) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = self.call("runs.logs", run_id=run_id, limit=500, cursor=cursor)
            yield from page["events"]
            cursor = page["cursor"]
            if cursor is None:
                return

    def run_status(self, run_id: str) -> str:
        """The status alone, cheaper than ``run``."""
        return str(self.call("runs.status", run_id=run_id)["status"])

    def runs(self) -> list[str]:
        """Ids of the latest runs, newest first, at most 500."""
        return [one["run_id"] for one in self.call("runs.list", limit=500)["runs"]]

    def intervals(self, run_id: str) -> dict[str, tuple[datetime, datetime]]:
        """Step key -> when it started and ended, of the steps that have ended."""
        return {
            one["step"]: (
                datetime.fromisoformat(one["started_at"]),
                datetime.fromisoformat(one["finished_at"]),
            )
            for one in self.call("runs.show", run_id=run_id)["steps"]
            if one["started_at"] and one["finished_at"]
        }

    def queue(self) -> list[tuple[str, str, list[str], int]]:
        """Queued runs in order of their turn: (run id, the limit that blocks it, who holds it, how many are ahead)."""
        waiting = [one for one in self.call("queue", limit=500)["runs"] if one["waiting"]]
        return [
            (
                one["run_id"],
                one["waiting"]["blocked_by"],
                one["waiting"]["holders"],
                one["waiting"]["ahead"],
            )
            for one in sorted(waiting, key=lambda one: one["waiting"]["ahead"] or 0)
        ]

    @property
    def limits(self) -> dict[str, LimitView]:
        return {one["key"]: LimitView(**one) for one in self.call("limits.list")["limits"]}

    def value(self, asset: str, *, partition: str | None = None) -> Any:
        """The stored value of an asset."""
        return self._deployment.load_asset(asset, partition)

    def output(self, run_id: str, step: str, output: str = "result") -> Any:
        """The stored value of an output of an op."""
        return self._deployment.load_output(run_id, step, output)

    def latest_materialization(
        self, asset: str, *, partition: str | None = None
    ) -> AssetRecord | None:
        return self._deployment.services.store.assets.latest(asset, partition)

    # The bill, and faults -------------------------------------------------------------------------------------

    @property
    def calls(self) -> Counter[tuple[str, str]]:
        """(service, operation) -> how often the control plane called it."""
        return self._deployment.aws.calls.control

    @property
    def faults(self) -> Faults:
        return self._deployment.aws.faults


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
