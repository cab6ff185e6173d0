"""Takes what the function of a step returns or yields: checks it, stores it, and notes it for the report."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from tidegate.domain.mapping import MAX_MAPPED
from tidegate.domain.task import Invocation, Materialization
from tidegate.errors import InvocationError
from tidegate.execution.resources import ResourceScope
from tidegate.execution.step_inputs import io_manager
from tidegate.execution.type_check import check_type
from tidegate.sdk.context import OpExecutionContext, output_label
from tidegate.sdk.event import (
    DEFAULT_OUTPUT,
    NO_VALUE,
    AssetMaterialization,
    AssetObservation,
    DynamicOutput,
    MaterializeResult,
    Output,
)
from tidegate.sdk.io import OutputContext
from tidegate.sdk.metadata import MetadataValue, metadata_json
from tidegate.sdk.step import StepDefinition, StepOutput

AssetEvent = AssetMaterialization | AssetObservation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """One output, as it was returned or yielded."""

    output: StepOutput
    value: Any
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    data_version: str | None = None
    mapping_key: str | None = None
    """Of one value of a dynamic output."""
    by_result: bool = False
    """It came as a MaterializeResult, whose value may be stored whatever the annotation says."""


class StepOutputs:
    """Outputs of one attempt. What was stored before a failure stays noted."""

    def __init__(
        self,
        step: StepDefinition,
        invocation: Invocation,
        context: OpExecutionContext,
        scope: ResourceScope,
        own: tuple[str, ...] | None,
    ) -> None:
        """``own``: the partitions of the run."""
        self._step, self._invocation, self._context, self._scope = step, invocation, context, scope
        self._own = own
        self.produced: list[str] = []
        self.values: dict[str, Any] = {}
        self.materializations: list[Materialization] = []
        self.metadata: dict[str, dict[str, dict[str, Any]]] = {}
        self.mapping_keys: dict[str, list[str]] = {}
        self.events: list[AssetEvent] = []

    def take(self, result: Any) -> None:
        """Store all outputs of what the function answered; a generator is run to its end.

        Raises:
            InvocationError: it is not what the step's outputs need.
            OutputError: a value could not be stored.
        """
        if inspect.isgenerator(result):
            try:
                for item in result:
                    self._yielded(item)
            finally:
                result.close()
        else:
            for made in self._returned(result):
                self._store(made)
        self._finish()

    def _yielded(self, item: Any) -> None:
        if isinstance(item, (AssetMaterialization, AssetObservation)):
            self._context.log_event(item)
        elif isinstance(item, DynamicOutput):
            self._store(self._of_dynamic(item, self._named(item.output_name)))
        elif isinstance(item, Output):
            self._store(self._of_output(item, self._named(item.output_name)))
        elif isinstance(item, MaterializeResult):
            self._store(self._of_result(item))
        else:
            raise InvocationError(
                f"Step {self._step.key!r} yielded a value of type {type(item).__name__}.",
                mend="Yield Output(value), MaterializeResult(...) or an asset event.",
            )

    def _returned(self, result: Any) -> Iterator[_Made]:
        outputs = self._step.outputs
        if isinstance(result, (AssetMaterialization, AssetObservation)):
            raise InvocationError(
                f"Step {self._step.key!r} returned an {type(result).__name__}.",
                mend="Yield it, or call context.log_event(...), and return the value.",
            )
        if len(outputs) == 1 and not _is_results(result):
            yield from self._at(outputs[0], result)
        elif result is None and all(one.annotation is None or not one.required for one in outputs):
            return
        elif isinstance(result, MaterializeResult) or _is_results(result):
            for one in result if isinstance(result, (tuple, list)) else (result,):
                yield self._of_result(one)
        elif type(result) is tuple and len(result) == len(outputs):
            for output, one in zip(outputs, result, strict=True):
                yield from self._at(output, one)
        else:
            self._refuse_return(result)

    def _refuse_return(self, result: Any) -> None:
        names = ", ".join(one.name for one in self._step.outputs)
        got = f"{len(result)} values" if type(result) is tuple else f"a {type(result).__name__}"
        if not self._step.outputs:
            raise InvocationError(
                f"Step {self._step.key!r} returned {got}, and has no outputs.",
                mend="Return nothing, or declare the output.",
            )
        raise InvocationError(
            f"Step {self._step.key!r} returned {got} for its {len(self._step.outputs)} outputs.",
            mend=f"Return a tuple with a value for each ({names}), or yield Output(value, output_name=...).",
        )

    def _at(self, output: StepOutput, value: Any) -> Iterator[_Made]:
        """What was returned in the place of ``output``."""
        if output.is_dynamic:
            for one in self._several(output, value):
                yield self._of_dynamic(one, output)
        elif isinstance(value, MaterializeResult):
            yield self._of_result(value, output)
        else:
            yield self._one_at(output, value)

    def _several(self, output: StepOutput, value: Any) -> list[DynamicOutput[Any]]:
        if isinstance(value, list) and all(isinstance(one, DynamicOutput) for one in value):
            return value
        got = type(value).__name__
        if isinstance(value, list):
            odd = next(one for one in value if not isinstance(one, DynamicOutput))
            got = f"list with a {type(odd).__name__} in it"
        raise InvocationError(
            f"Step {self._step.key!r} returned a {got} for its dynamic output {output.name!r}.",
            mend="Yield DynamicOutput(value, mapping_key=...) for each value, or return a list of them.",
        )

    def _one_at(self, output: StepOutput, value: Any) -> _Made:
        if isinstance(value, Output):
            if value.output_name not in (DEFAULT_OUTPUT, output.name):
                raise InvocationError(
                    f"Step {self._step.key!r} returned the output {value.output_name!r} in the place of "
                    f"{output.name!r}.",
                    mend="Return outputs in the order in which they are declared.",
                )
            return self._of_output(value, output)
        if value is None and not output.required and output.annotation is not None:
            self._context.log.warning(
                "The optional output %r was returned as None: a value like any other. To leave it out, "
                "yield the others.",
                output.name,
            )
        return _Made(output=output, value=value)

    def _of_output(self, one: Output[Any], output: StepOutput) -> _Made:
        if output.is_dynamic:
            raise InvocationError(
                f"Step {self._step.key!r} made an Output of its dynamic output {output.name!r}.",
                mend="Use DynamicOutput(value, mapping_key=...).",
            )
        return _Made(
            output=output,
            value=one.value,
            metadata=one.metadata,
            tags=one.tags,
            data_version=one.data_version.value if one.data_version else None,
        )

    def _of_dynamic(self, one: DynamicOutput[Any], output: StepOutput) -> _Made:
        if one.output_name not in (DEFAULT_OUTPUT, output.name):
            raise InvocationError(
                f"Step {self._step.key!r} returned a value of {one.output_name!r} in the place of {output.name!r}.",
                mend="Return outputs in the order in which they are declared.",
            )
        if not output.is_dynamic:
            raise InvocationError(
                f"Step {self._step.key!r} made a DynamicOutput of its output {output.name!r}, which is not dynamic.",
                mend="Declare it with DynamicOut(), or use Output(...).",
            )
        return _Made(
            output=output, value=one.value, metadata=one.metadata, mapping_key=one.mapping_key
        )

    def _of_result(self, one: MaterializeResult[Any], place: StepOutput | None = None) -> _Made:
        assets = [out for out in self._step.outputs if out.asset_key is not None]
        if one.asset_key is not None:
            found = [out for out in assets if out.asset_key == one.asset_key]
        else:
            found = [place] if place is not None and place.asset_key is not None else assets
        if len(found) != 1:
            what = "with no asset_key" if one.asset_key is None else f"of {str(one.asset_key)!r}"
            names = ", ".join(str(out.asset_key) for out in assets)
            raise InvocationError(
                f"Step {self._step.key!r} answered a MaterializeResult {what}.",
                mend=f"In this run it makes: {names or 'no assets'}.",
            )
        return _Made(
            output=found[0],
            value=one.value,
            metadata=one.metadata,
            tags=one.tags,
            data_version=one.data_version.value if one.data_version else None,
            by_result=True,
        )

    def _named(self, name: str) -> StepOutput:
        for one in self._step.outputs:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in self._step.outputs)
        raise InvocationError(
            f"Step {self._step.key!r} yielded the output {name!r}, which it does not have in this run.",
            mend=f"Outputs: {names or 'none'}.",
        )

    def _store(self, made: _Made) -> None:
        output, name = made.output, output_label(made.output.name, made.mapping_key)
        if name in self._context.made:
            raise InvocationError(
                f"Step {self._step.key!r} made its output {name!r} twice.",
                mend="Once will do."
                if made.mapping_key is None
                else "Give each value a mapping key of its own.",
            )
        self._context.made.add(name)
        metadata = {**made.metadata, **self._context.said.get(name, {})}
        if made.value is not NO_VALUE:
            if not made.by_result:
                check_type(
                    made.value, output.annotation, f"Output {name!r} of step {self._step.key!r}"
                )
            if output.annotation is not None or made.by_result:
                metadata |= self._handle(made, metadata)
        self._keep(made)
        self._note(made, metadata)

    def _keep(self, made: _Made) -> None:
        name, key = made.output.name, made.mapping_key
        if key is None:
            self.produced.append(name)
            if made.value is not NO_VALUE:
                self.values[name] = made.value
            return
        keys = self._of_key(name)
        if len(keys) >= MAX_MAPPED:
            raise InvocationError(
                f"Step {self._step.key!r} made more than {MAX_MAPPED:,} values of its output {name!r}.",
                mend="Let each value stand for several things.",
            )
        keys.append(key)
        self.values[name][key] = made.value

    def _of_key(self, name: str) -> list[str]:
        """The mapping keys of a dynamic output so far; from now on the output is there, if with no value."""
        if name not in self.mapping_keys:
            self.mapping_keys[name], self.values[name] = [], {}
            self.produced.append(name)
        return self.mapping_keys[name]

    def _handle(self, made: _Made, metadata: Mapping[str, MetadataValue]) -> dict[str, Any]:
        """Give the value to its IO manager; answers what that says of it."""
        output, invocation = made.output, self._invocation
        manager = io_manager(self._scope, output.io_manager_key)
        given = self._scope.given(output.io_manager_key)
        context = OutputContext(
            name=output.name,
            mapping_key=made.mapping_key,
            step_key=self._step.key,
            run_id=invocation.run_id,
            job_name=invocation.job,
            run_tags=invocation.tags,
            key=output.asset_key,
            partitions=self._partitions(output),
            partitions_def=self._step.partitions_def,
            run_partition=invocation.partition_key,
            definition_metadata=output.metadata,
            output_metadata=metadata,
            annotation=output.annotation,
            version=output.code_version,
            resources=given.resources,
            resource_config=given.resource_config,
            log=self._scope.log,
        )
        store: Callable[..., Any] = manager.handle_output
        answered: Any = store(context, made.value)
        if inspect.isgenerator(answered):
            for said in cast(Iterator[Mapping[str, Any]], answered):
                context.add_output_metadata(said)
        return context.added

    def _partitions(self, output: StepOutput) -> tuple[str, ...] | None:
        if output.asset_key is None or self._step.partitions_def is None:
            return None
        if self._own is None:
            raise InvocationError(
                f"Asset {str(output.asset_key)!r} is partitioned, and the run has no partition.",
                mend="Give the run a partition key.",
            )
        return self._own

    def _note(self, made: _Made, metadata: Mapping[str, MetadataValue]) -> None:
        output = made.output
        if output.asset_key is None:
            if metadata:
                label = output_label(output.name, made.mapping_key)
                self.metadata[label] = metadata_json(metadata)
            return
        partitions = self._partitions(output)
        self.materializations.append(
            Materialization(
                asset=str(output.asset_key),
                partition=partitions[0] if partitions and len(partitions) == 1 else None,
                metadata=metadata_json(metadata),
                tags=dict(made.tags),
                data_version=made.data_version,
            )
        )
        self.events += [
            AssetMaterialization(
                output.asset_key, metadata=metadata, partition=partition, tags=made.tags
            )
            for partition in partitions or (None,)
        ]

    def _finish(self) -> None:
        """Outputs that carry no value need not be yielded; all other required ones do."""
        for output in self._step.outputs:
            if output.name in self.produced or not output.required:
                continue
            if output.is_dynamic:
                self._of_key(output.name)
                continue
            if output.annotation is not None:
                raise InvocationError(
                    f"Step {self._step.key!r} did not make its output {output.name!r}.",
                    mend="Yield it, or declare it with is_required=False.",
                )
            self._store(_Made(output=output, value=None))


def _is_results(result: Any) -> bool:
    """Whether it is several MaterializeResults, in whatever order."""
    return (
        type(result) in (tuple, list)
        and bool(result)
        and all(isinstance(one, MaterializeResult) for one in result)
    )
