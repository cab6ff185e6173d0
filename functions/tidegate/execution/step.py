"""Runs one attempt of one step of user code, and reports what came of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tidegate.domain.mapping import mapped_step_key
from tidegate.domain.task import Invocation, Report
from tidegate.execution.failure import failure_of
from tidegate.execution.log_capture import LogCapture, current
from tidegate.execution.resources import ResourceScope
from tidegate.execution.step_config import op_config, step_config
from tidegate.execution.step_inputs import StepInputs
from tidegate.execution.step_outputs import AssetEvent, StepOutputs
from tidegate.execution.step_partitions import StepPartitions
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.context import AssetExecutionContext, OpExecutionContext, RunInfo
from tidegate.sdk.step import StepDefinition


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a step needs beside itself and its invocation."""

    steps: Mapping[str, StepDefinition]
    """All steps of the run, by key: they say where values from upstream are stored."""
    resources: Mapping[str, Any]
    """By key, ``io_manager`` included."""
    now: Callable[[], datetime] = utc_now
    scope: ResourceScope | None = None
    """Resources that steps share; left out, the step sets up its own and tears them down."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A report, and what a report cannot carry."""

    report: Report
    error: BaseException | None = None
    """What the step raised, as it was raised."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Output name -> value."""
    events: tuple[AssetEvent, ...] = ()
    """Materializations and observations, those of other assets included."""


def run_step(step: StepDefinition, invocation: Invocation, around: Surroundings) -> Outcome:
    """Run one attempt: config, resources, inputs, the function, outputs.

    Never raises for what user code does: exceptions of any kind, exit and lack of memory included, are failures in the
    report.
    """
    started_at = around.now()
    capture = LogCapture(around.now)
    if step.mapped_over is not None:
        step = replace(step, key=mapped_step_key(step.key, invocation.mapping_key))
    attempt = _Attempt(step, invocation, around, capture)
    error: BaseException | None = None
    token = current.set(capture)
    try:
        attempt.run()
    except BaseException as raised:  # noqa: BLE001 - whatever user code raises is told in the report
        error = raised
    finally:
        current.reset(token)
    outputs, events = attempt.outputs, attempt.events()
    report = Report(
        run_id=invocation.run_id,
        index=invocation.index,
        attempt=invocation.attempt,
        started_at=started_at,
        finished_at=around.now(),
        produced=tuple(outputs.produced) if outputs else (),
        materializations=tuple(outputs.materializations) if outputs else (),
        output_metadata=outputs.metadata if outputs else {},
        mapping_keys=_mapping_keys(outputs) if outputs and error is None else {},
        failure=None if error is None else failure_of(error),
        logs=capture.lines(),
    )
    values = outputs.values if outputs else {}
    return Outcome(report=report, error=error, values=values, events=events)


def _mapping_keys(outputs: StepOutputs) -> dict[str, tuple[str, ...]]:
    return {name: tuple(keys) for name, keys in outputs.mapping_keys.items()}


class _Attempt:
    """One attempt; holds what has come of it so far, so that a failure loses nothing."""

    def __init__(
        self,
        step: StepDefinition,
        invocation: Invocation,
        around: Surroundings,
        capture: LogCapture,
    ) -> None:
        self._step, self._invocation, self._around = step, invocation, around
        self._log = capture.logger(step.key)
        self._context: OpExecutionContext | None = None
        self.outputs: StepOutputs | None = None

    def run(self) -> None:
        with ExitStack() as stack:
            scope = self._around.scope or stack.enter_context(self._own_scope())
            scope.log = self._log
            self._run(scope)

    def events(self) -> tuple[AssetEvent, ...]:
        logged = self._context.events if self._context else []
        return (*logged, *(self.outputs.events if self.outputs else ()))

    def _own_scope(self) -> ResourceScope:
        return ResourceScope(
            self._around.resources,
            run_config=self._invocation.run_config,
            run_id=self._invocation.run_id,
            run_tags=self._invocation.tags,
        )

    def _run(self, scope: ResourceScope) -> None:
        step = self._step
        config = step_config(self._invocation.run_config, step, self._invocation.step)
        keys = step.required_resource_keys | set(step.resource_parameters)
        resources = scope.several(f"Step {step.key!r}", keys)
        partitions = StepPartitions(step, self._invocation, self._around.now())
        inputs = StepInputs(step, self._invocation, self._around.steps, scope, partitions)
        own = partitions.own()
        self._context = context = self._make_context(config, resources, inputs.partitions, own)
        self.outputs = outputs = StepOutputs(step, self._invocation, context, scope, own)
        arguments = inputs.arguments()
        arguments |= {name: getattr(resources, name) for name in step.resource_parameters}
        if step.config_parameter is not None:
            arguments[step.config_parameter] = config
        first = (context,) if step.context_parameter is not None else ()
        outputs.take(_finished(step.function(*first, **arguments)))
        self._tell_foreign_events(context)

    def _make_context(
        self,
        config: Any,
        resources: Any,
        partitions: Mapping[str, tuple[str, ...]],
        own: tuple[str, ...] | None,
    ) -> OpExecutionContext:
        invocation, step = self._invocation, self._step
        kind = AssetExecutionContext if step.is_asset else OpExecutionContext
        selection = invocation.assets
        return kind(
            run=RunInfo(
                run_id=invocation.run_id,
                job_name=invocation.job,
                tags=invocation.tags,
                run_config=invocation.run_config,
                asset_selection=None if selection is None else frozenset(map(AssetKey, selection)),
            ),
            step_key=step.key,
            retry_number=invocation.attempt - 1,
            op_config=_plain_config(invocation, step, config),
            resources=resources,
            log=self._log,
            run_partition=invocation.partition_key,
            run_partitions=own,
            inputs=step.inputs,
            outputs=step.outputs,
            partitions_def=step.partitions_def,
            upstream_partitions=partitions,
            mapping_key=invocation.mapping_key,
        )

    def _tell_foreign_events(self, context: OpExecutionContext) -> None:
        """Materializations of assets that the step does not make, and observations, are in the log only."""
        for event in context.events:
            self._log.info(
                "%s of %s%s: %s",
                type(event).__name__,
                event.asset_key,
                f" [{event.partition}]" if event.partition else "",
                {name: one.value for name, one in event.metadata.items()},
            )


def _finished(result: Any) -> Any:
    """The result of a function, an ``async`` one run to its end."""
    if inspect.iscoroutine(result):
        import asyncio

        return asyncio.run(result)
    if inspect.isasyncgen(result):
        return _stepped(result)
    return result


def _stepped(generator: Any) -> Any:
    """An asynchronous generator as an ordinary one."""
    import asyncio

    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(generator.__anext__())
            except StopAsyncIteration:
                return


def _plain_config(invocation: Invocation, step: StepDefinition, config: Any) -> Any:
    """``context.op_config``: plain values, defaults included."""
    fields = getattr(type(config), "model_fields", None)
    if fields is not None:
        return {name: getattr(config, name) for name in fields}
    if step.config_type is not None:
        return config
    return op_config(invocation.run_config, invocation.step)
