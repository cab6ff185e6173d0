"""What the body of an op or asset is told about the run it is in, and what it can say back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tidegate.errors import InvocationError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.declaration import known_arguments
from tidegate.sdk.event import AssetMaterialization, AssetObservation
from tidegate.sdk.metadata import MetadataValue, normalize_metadata
from tidegate.sdk.partitioned_context import PartitionedContext
from tidegate.sdk.resource_definition import Resources

if TYPE_CHECKING:
    from tidegate.domain.partitions.definition import PartitionKeyRange, TimeWindow
    from tidegate.sdk.asset_key import CoercibleToAssetKey
    from tidegate.sdk.step import StepInput, StepOutput


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """The run a step is part of."""

    run_id: str = ""
    job_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)
    asset_selection: frozenset[AssetKey] | None = None
    """Assets the run was asked for; None means all of the job."""


@dataclass(kw_only=True, eq=False)
class OpExecutionContext(PartitionedContext):
    """The context of one attempt of one step. In tests, made with ``build_op_context``."""

    run: RunInfo = field(default_factory=RunInfo)
    step_key: str = ""
    retry_number: int = 0
    """0 in the first attempt."""
    op_config: Any = None
    """Config of the op, as it stands in run config."""
    resources: Any = field(default_factory=lambda: Resources("The step", {}))
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("tidegate"))
    run_partition: str | None = None
    """The one partition of the run."""
    run_partitions: Sequence[str] | None = None
    """All of them, when it is a range."""
    inputs: Sequence[StepInput] = ()
    outputs: Sequence[StepOutput] = ()
    """Of this run: without what a subset leaves out."""
    partitions_def: Any = None
    upstream_partitions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Input name -> partition keys of the asset it loads."""
    made: set[str] = field(default_factory=set)
    """Outputs that were returned or yielded: too late to say more of them."""
    said: dict[str, dict[str, MetadataValue]] = field(default_factory=dict)
    """Output name -> metadata added here."""
    events: list[AssetMaterialization | AssetObservation] = field(default_factory=list)
    """Events logged here."""
    mapping_key: str | None = None
    """Of the value for which the step runs, when it is mapped over a dynamic output."""
    on_exit: Callable[[], None] | None = None
    """Tears down the resources of a context made for a test."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(step_key={self.step_key!r}, run_id={self.run_id!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.on_exit is not None:
            self.on_exit()

    @property
    def run_id(self) -> str:
        return self.run.run_id

    @property
    def job_name(self) -> str:
        return self.run.job_name

    @property
    def run_tags(self) -> Mapping[str, str]:
        return self.run.tags

    @property
    def run_config(self) -> Mapping[str, Any]:
        return self.run.run_config

    def has_tag(self, key: str) -> bool:
        return key in self.run.tags

    def get_tag(self, key: str) -> str | None:
        return self.run.tags.get(key)

    def get_mapping_key(self) -> str | None:
        """The mapping key of the value for which the step runs; None when it is not mapped."""
        return self.mapping_key

    # Assets

    @property
    def has_assets_def(self) -> bool:
        return any(one.asset_key is not None for one in self.outputs)

    @property
    def asset_key(self) -> AssetKey:
        """The asset that the step makes.

        Raises:
            InvocationError: it makes none, or several.
        """
        keys = [one.asset_key for one in self.outputs if one.asset_key is not None]
        if len(keys) != 1:
            raise InvocationError(
                f"Step {self.step_key!r} makes {len(keys) or 'no'} assets.",
                mend="Use selected_asset_keys or asset_key_for_output(name).",
            )
        return keys[0]

    def asset_key_for_output(self, output_name: str = "result") -> AssetKey:
        key = self._output(output_name).asset_key
        if key is None:
            raise InvocationError(f"Output {output_name!r} of {self.step_key!r} is not an asset.")
        return key

    def asset_key_for_input(self, input_name: str) -> AssetKey:
        for one in self.inputs:
            if one.name == input_name and one.asset_key is not None:
                return one.asset_key
        raise InvocationError(f"Input {input_name!r} of {self.step_key!r} is not an asset.")

    def asset_partition_key_for_output(self, output_name: str = "result") -> str:
        self.asset_key_for_output(output_name)
        return self.partition_key

    def asset_partition_keys_for_output(self, output_name: str = "result") -> Sequence[str]:
        self.asset_key_for_output(output_name)
        return self.partition_keys

    def asset_partitions_time_window_for_output(self, output_name: str = "result") -> TimeWindow:
        self.asset_key_for_output(output_name)
        return self.partition_time_window

    def asset_partition_keys_for_input(self, input_name: str) -> Sequence[str]:
        key = self.asset_key_for_input(input_name)
        if input_name not in self.upstream_partitions:
            raise InvocationError(f"Asset {str(key)!r} has no partitions.")
        return list(self.upstream_partitions[input_name])

    def asset_partition_key_for_input(self, input_name: str) -> str:
        keys = self.asset_partition_keys_for_input(input_name)
        if len(keys) != 1:
            raise InvocationError(
                f"Input {input_name!r} of {self.step_key!r} loads {len(keys)} partitions.",
                mend="Use asset_partition_keys_for_input.",
            )
        return keys[0]

    def asset_partition_key_range_for_input(self, input_name: str) -> PartitionKeyRange:
        from tidegate.domain.partitions.definition import PartitionKeyRange

        keys = self.asset_partition_keys_for_input(input_name)
        if not keys:
            raise InvocationError(f"Input {input_name!r} of {self.step_key!r} loads no partition.")
        return PartitionKeyRange(keys[0], keys[-1])

    @property
    def selected_output_names(self) -> frozenset[str]:
        return frozenset(one.name for one in self.outputs)

    @property
    def selected_asset_keys(self) -> frozenset[AssetKey]:
        return frozenset(one.asset_key for one in self.outputs if one.asset_key is not None)

    def bind(self, outputs: Sequence[StepOutput], partitions_def: Any) -> None:
        """Learn what the op or asset makes that is called with this context, in a test."""
        self.outputs, self.partitions_def = outputs, partitions_def
        self.made.clear()

    # What the body says back

    def add_output_metadata(
        self,
        metadata: Mapping[str, Any],
        output_name: str | None = None,
        mapping_key: str | None = None,
    ) -> None:
        """Say something of an output, before it is returned or yielded.

        Raises:
            InvocationError: the step has no such output, or several and none is named, or it was yielded before.
        """
        if output_name is None:
            if len(self.outputs) > 1:
                names = ", ".join(one.name for one in self.outputs)
                raise InvocationError(
                    f"Step {self.step_key!r} has several outputs.",
                    mend=f"Give output_name, one of: {names}.",
                )
            output_name = self.outputs[0].name if self.outputs else "result"
        elif self.outputs:
            self._output(output_name)
        self._check_mapping_key(output_name, mapping_key)
        name = output_label(output_name, mapping_key)
        if name in self.made:
            raise InvocationError(
                f"Output {name!r} of {self.step_key!r} has been yielded.",
                mend="Add its metadata before.",
            )
        self.said.setdefault(name, {}).update(normalize_metadata(metadata))

    def _check_mapping_key(self, output_name: str, mapping_key: str | None) -> None:
        is_dynamic = any(one.is_dynamic for one in self.outputs if one.name == output_name)
        if self.outputs and is_dynamic != (mapping_key is not None):
            what = "is dynamic" if is_dynamic else "is not dynamic"
            raise InvocationError(
                f"Output {output_name!r} of {self.step_key!r} {what}.",
                mend="Give mapping_key=..., too." if is_dynamic else "Leave mapping_key out.",
            )

    def add_asset_metadata(
        self, metadata: Mapping[str, Any], asset_key: CoercibleToAssetKey | None = None
    ) -> None:
        """The same, by asset key; without one, of the only asset."""
        key = self.asset_key if asset_key is None else AssetKey.from_coercible(asset_key)
        for one in self.outputs:
            if one.asset_key == key:
                return self.add_output_metadata(metadata, one.name)
        raise InvocationError(f"Step {self.step_key!r} does not make the asset {str(key)!r}.")

    def get_output_metadata(
        self, output_name: str, mapping_key: str | None = None
    ) -> Mapping[str, Any]:
        """Metadata added so far, as plain values."""
        said = self.said.get(output_label(output_name, mapping_key), {})
        return {name: one.value for name, one in said.items()}

    def log_event(self, event: AssetMaterialization | AssetObservation) -> None:
        """Report a materialization or an observation without yielding it."""
        if not isinstance(event, (AssetMaterialization, AssetObservation)):
            raise InvocationError(
                f"log_event was given a {type(event).__name__}.",
                mend="Give an AssetMaterialization or an AssetObservation.",
            )
        self.events.append(event)

    def _output(self, name: str) -> StepOutput:
        for one in self.outputs:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in self.outputs)
        raise InvocationError(
            f"Step {self.step_key!r} has no output {name!r} in this run.",
            mend=f"Outputs: {names or 'none'}.",
        )


class AssetExecutionContext(OpExecutionContext):
    """The context of a step that makes assets. In tests, made with ``build_asset_context``."""

    @property
    def asset_partition_key(self) -> str:
        return self.partition_key


def output_label(name: str, mapping_key: str | None) -> str:
    """An output, or one value of a dynamic one, as logs and metadata name it."""
    return name if mapping_key is None else f"{name}[{mapping_key}]"


def get_logger() -> logging.Logger:
    """A logger for code that has no context. While a step runs, its lines are kept with those of ``context.log``."""
    return logging.getLogger(USER_LOGGER)


USER_LOGGER = "tidegate.user"


@known_arguments
def build_op_context(
    resources: Mapping[str, Any] | None = None,
    op_config: Any = None,
    resources_config: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    *,
    config: Any = None,
    run_tags: Mapping[str, str] | None = None,
    mapping_key: str | None = None,
) -> OpExecutionContext:
    """A context for calling an op in a test: ``my_op(build_op_context(op_config={"rows": 3}))``.

    Resources are set up here; as ``with build_op_context(...) as context`` they are torn down, too.

    Args:
        resources: Key -> resource: declared ones, or any object in their place.
        resources_config: Key -> ``{"config": ...}``, as in run config.
        config: A Config object, instead of ``op_config``.
    """
    context = OpExecutionContext(mapping_key=mapping_key)
    _prepare(context, resources, op_config, resources_config, partition_key, config, run_tags)
    return context


@known_arguments
def build_asset_context(
    resources: Mapping[str, Any] | None = None,
    resources_config: Mapping[str, Any] | None = None,
    asset_config: Any = None,
    partition_key: str | None = None,
    *,
    run_tags: Mapping[str, str] | None = None,
) -> AssetExecutionContext:
    """A context for calling an asset in a test; as ``build_op_context``."""
    context = AssetExecutionContext()
    _prepare(context, resources, asset_config, resources_config, partition_key, None, run_tags)
    return context


def _prepare(
    context: OpExecutionContext,
    resources: Mapping[str, Any] | None,
    op_config: Any,
    resources_config: Mapping[str, Any] | None,
    partition_key: str | None,
    config: Any,
    run_tags: Mapping[str, str] | None,
) -> None:
    if config is not None and op_config is not None:
        raise InvocationError("Both op_config and config are given.", mend="Give one.")
    from tidegate.execution.resources import ResourceScope

    given = op_config if config is None else config
    context.run = RunInfo(tags=dict(run_tags or {}))
    context.step_key = "test"
    context.op_config = given.model_dump() if hasattr(given, "model_dump") else given
    context.run_partition = partition_key
    scope = ResourceScope(
        dict(resources or {}), run_config={"resources": dict(resources_config or {})}
    )
    context.resources = scope.several("The context", resources or ())
    context.on_exit = scope.close
