"""What a run in this process came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tidegate.domain.event import EventKind
from tidegate.domain.task import Invocation, Report, StepFailure
from tidegate.errors import InvocationError, OutputError
from tidegate.execution.step import Outcome
from tidegate.execution.step_outputs import AssetEvent
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.context import RunInfo
from tidegate.sdk.declaration import suggestion
from tidegate.sdk.event import AssetMaterialization, AssetObservation
from tidegate.sdk.step import StepDefinition

if TYPE_CHECKING:
    from tidegate.sdk.asset_key import CoercibleToAssetKey


class StepState(StrEnum):
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    SKIPPED = "SKIPPED"
    """An optional output it needs was not made."""
    ABANDONED = "ABANDONED"
    """Something upstream failed."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One step of the run."""

    step: StepDefinition
    key: str
    """``op``, or ``op[a]`` for one value of a dynamic output."""
    state: StepState
    report: Report | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[AssetEvent, ...] = ()
    earlier: tuple[Report, ...] = ()
    """Of attempts that failed and were followed by another."""
    error: BaseException | None = None
    """What the step raised, as it was raised."""
    hooks: tuple[tuple[str, str | None], ...] = ()
    """(name, what it raised) of the hooks that were called after it."""
    because: tuple[str, ...] = ()
    """Steps for whose sake it was left out."""

    @classmethod
    def of(cls, step: StepDefinition, key: str, attempts: Sequence[Outcome]) -> StepResult:
        *earlier, outcome = attempts
        state = StepState.SUCCESS if outcome.report.failure is None else StepState.FAILURE
        return cls(
            step=step,
            key=key,
            state=state,
            report=outcome.report,
            values=outcome.values,
            events=outcome.events,
            earlier=tuple(one.report for one in earlier),
            error=outcome.error,
        )

    @classmethod
    def left_out(
        cls, step: StepDefinition, key: str, failed: bool, because: tuple[str, ...]
    ) -> StepResult:
        state = StepState.ABANDONED if failed else StepState.SKIPPED
        return cls(step=step, key=key, state=state, because=because)

    @property
    def is_bad(self) -> bool:
        """What needs its outputs cannot run."""
        return self.state in (StepState.FAILURE, StepState.ABANDONED)

    @property
    def mapping_key(self) -> str | None:
        return None if self.key == self.step.key else self.key[len(self.step.key) + 1 : -1]

    @property
    def produced(self) -> tuple[str, ...]:
        return self.report.produced if self.report is not None else ()


@dataclass(frozen=True, kw_only=True)
class RunEvent:
    """Something that happened in the run."""

    event_type_value: str
    step_key: str | None = None
    message: str = ""
    asset_event: AssetEvent | None = None

    @property
    def materialization(self) -> AssetMaterialization:
        if not isinstance(self.asset_event, AssetMaterialization):
            raise InvocationError(f"A {self.event_type_value} event has no materialization.")
        return self.asset_event

    @property
    def asset_key(self) -> AssetKey | None:
        return self.asset_event.asset_key if self.asset_event else None

    @property
    def partition(self) -> str | None:
        return self.asset_event.partition if self.asset_event else None


class ExecuteInProcessResult:
    """What a run in this process came to: values, materializations, failures."""

    def __init__(
        self,
        run: Invocation,
        steps: Sequence[StepResult],
        graph_outputs: Mapping[str, tuple[str, str]],
        mapped: frozenset[str] = frozenset(),
    ) -> None:
        """``mapped``: keys of the steps that are mapped over a dynamic output."""
        self.run = RunInfo(
            run_id=run.run_id, job_name=run.job, tags=run.tags, run_config=run.run_config
        )
        self._steps = {one.key: one for one in steps}
        self._graph_outputs = graph_outputs
        self._mapped = mapped

    def __repr__(self) -> str:
        state = "SUCCESS" if self.success else "FAILURE"
        return f"ExecuteInProcessResult({self.run.job_name!r}, {state}, {len(self._steps)} steps)"

    @property
    def success(self) -> bool:
        return not self.get_failed_step_keys()

    @property
    def run_id(self) -> str:
        return self.run.run_id

    # Values

    def output_for_node(self, node: str, output_name: str = "result") -> Any:
        """The value that a step made. Steps of nested graphs are ``graph.op``.

        Values of a dynamic output, and of a step that is mapped over one, are answered by mapping key; ``op[a]`` is the
        step for one of them.

        Raises:
            OutputError: it made none.
        """
        if node in self._mapped:
            return {
                str(one.mapping_key): one.values[output_name]
                for one in self._nodes(node)
                if output_name in one.values
            }
        values = self._node(node).values
        if output_name not in values:
            names = ", ".join(one.name for one in self._node(node).step.outputs)
            raise OutputError(
                f"Step {node!r} ({self._node(node).state}) has no value for output {output_name!r}.",
                mend=f"Outputs: {names or 'none'}.",
            )
        return values[output_name]

    def output_value(self, output_name: str = "result") -> Any:
        """The value of an output of the job's graph.

        Raises:
            InvocationError: the graph returns no such output.
        """
        if output_name not in self._graph_outputs:
            raise InvocationError(
                f"Job {self.run.job_name!r} returns no output {output_name!r}.",
                mend="Return it from the job's body, or use output_for_node.",
            )
        return self.output_for_node(*self._graph_outputs[output_name])

    def asset_value(self, asset_key: CoercibleToAssetKey) -> Any:
        """The value of an asset that the run made.

        Raises:
            OutputError: it was not made, or without a value.
        """
        key = AssetKey.from_coercible(asset_key)
        for one in self._steps.values():
            for output in one.step.outputs:
                if output.asset_key == key and output.name in one.values:
                    return one.values[output.name]
        raise OutputError(
            f"The run has no value of asset {str(key)!r}.", mend="It was not made, or has no value."
        )

    # Steps

    def is_node_success(self, node: str) -> bool:
        return all(one.state is StepState.SUCCESS for one in self._nodes(node))

    def is_node_failed(self, node: str) -> bool:
        return any(one.state is StepState.FAILURE for one in self._nodes(node))

    def is_node_skipped(self, node: str) -> bool:
        found = self._nodes(node)
        return bool(found) and all(one.state is StepState.SKIPPED for one in found)

    def is_node_untouched(self, node: str) -> bool:
        """Whether it did not run because something upstream failed."""
        return any(one.state is StepState.ABANDONED for one in self._nodes(node))

    def get_failed_step_keys(self) -> frozenset[str]:
        return frozenset(key for key, one in self._steps.items() if one.state is StepState.FAILURE)

    def failure_data_for_node(self, node: str) -> StepFailure | None:
        report = self._node(node).report
        return report.failure if report is not None else None

    def logs_for_node(self, node: str) -> list[str]:
        """What the step logged, as ``LEVEL message``."""
        reports = [one.report for one in self._nodes(node) if one.report is not None]
        return [f"{line.level} {line.message}" for one in reports for line in one.logs]

    # Events

    @property
    def all_events(self) -> list[RunEvent]:
        """In the order in which they happened."""
        end = EventKind.RUN_SUCCESS if self.success else EventKind.RUN_FAILURE
        steps = [event for one in self._steps.values() for event in _events(one)]
        return [
            RunEvent(event_type_value=EventKind.RUN_START),
            *steps,
            RunEvent(event_type_value=end),
        ]

    def events_for_node(self, node: str) -> list[RunEvent]:
        return [event for one in self._nodes(node) for event in _events(one)]

    def get_asset_materialization_events(self) -> list[RunEvent]:
        return [one for one in self.all_events if isinstance(one.asset_event, AssetMaterialization)]

    def asset_materializations_for_node(self, node: str) -> list[AssetMaterialization]:
        events = [event for one in self._nodes(node) for event in one.events]
        return [one for one in events if isinstance(one, AssetMaterialization)]

    def get_asset_observation_events(self) -> list[RunEvent]:
        return [one for one in self.all_events if isinstance(one.asset_event, AssetObservation)]

    def retry_attempts_for_node(self, node: str) -> int:
        """How often the step was tried again."""
        return sum(len(one.earlier) for one in self._nodes(node))

    def asset_observations_for_node(self, node: str) -> list[AssetObservation]:
        events = [event for one in self._nodes(node) for event in one.events]
        return [one for one in events if isinstance(one, AssetObservation)]

    def _nodes(self, name: str) -> list[StepResult]:
        """The step of this key; of one that is mapped, the step for each value."""
        if name in self._mapped and name not in self._steps:
            return [one for one in self._steps.values() if one.step.key == name]
        return [self._node(name)]

    def _node(self, name: str) -> StepResult:
        found = self._steps.get(name)
        if found is None:
            raise InvocationError(
                f"The run has no step {name!r}.",
                mend=f"{suggestion(name, self._steps)}Steps: {', '.join(self._steps)}.",
            )
        return found


def _events(one: StepResult) -> Iterator[RunEvent]:
    key = one.key
    if one.report is None:
        if one.state is StepState.SKIPPED:
            because = f"Not made: an output of {', '.join(one.because)}."
            yield RunEvent(event_type_value=EventKind.STEP_SKIPPED, step_key=key, message=because)
        return
    yield RunEvent(event_type_value=EventKind.STEP_START, step_key=key)
    for report in one.earlier:
        yield RunEvent(
            event_type_value=EventKind.STEP_UP_FOR_RETRY, step_key=key, message=_said(report)
        )
        yield RunEvent(event_type_value=EventKind.STEP_RESTARTED, step_key=key)
    for name in one.produced:
        yield RunEvent(event_type_value=EventKind.STEP_OUTPUT, step_key=key, message=name)
    for event in one.events:
        kind = "ASSET_OBSERVATION"
        if isinstance(event, AssetMaterialization):
            kind = EventKind.ASSET_MATERIALIZATION
        yield RunEvent(
            event_type_value=kind, step_key=key, message=str(event.asset_key), asset_event=event
        )
    if one.report.failure is None:
        yield RunEvent(event_type_value=EventKind.STEP_SUCCESS, step_key=key)
    else:
        yield RunEvent(
            event_type_value=EventKind.STEP_FAILURE, step_key=key, message=_said(one.report)
        )
    for name, trouble in one.hooks:
        kind = EventKind.HOOK_COMPLETED if trouble is None else EventKind.HOOK_ERRORED
        said = name if trouble is None else f"{name}: {trouble}"
        yield RunEvent(event_type_value=kind, step_key=key, message=said)


def _said(report: Report) -> str:
    failure = report.failure
    return "" if failure is None else f"{failure.error}: {failure.message}"
