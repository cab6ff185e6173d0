"""IO managers: how values are stored and loaded again. Values pass between steps only this way."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, overload

from tidegate.errors import InvocationError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.declaration import known_arguments
from tidegate.sdk.metadata import MetadataValue, normalize_metadata
from tidegate.sdk.resource_definition import ResourceDefinition, Resources

if TYPE_CHECKING:
    from tidegate.domain.partitions.definition import PartitionKeyRange
    from tidegate.sdk.asset_key import CoercibleToAssetKey

DEFAULT_IO_MANAGER = "io_manager"
"""Resource key of the manager that stores what names no other."""


class IOManager(ABC):
    """Subclass it and put an instance into ``Definitions(resources={"io_manager": ...})``."""

    loads_in_parallel: ClassVar[bool] = False
    """Whether ``load_input`` may be called from several threads at once; a wide fan-in is then much quicker."""

    @abstractmethod
    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Store a value. What is stored for one asset and partition replaces what was."""

    @abstractmethod
    def load_input(self, context: InputContext) -> Any:
        """The value that ``handle_output`` stored."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """The annotation of an input or output."""

    typing_type: Any

    @property
    def is_nothing(self) -> bool:
        return self.typing_type is None


@dataclass(kw_only=True)
class _StoredValue:
    """What input and output contexts have in common: which value it is."""

    name: str = "result"
    step_key: str = ""
    run_id: str = ""
    job_name: str = ""
    run_tags: Mapping[str, str] = field(default_factory=dict)
    key: AssetKey | None = None
    """The asset, when the value is one."""
    partitions: tuple[str, ...] | None = None
    """Partition keys of the asset; None when it has no partitions."""
    run_partition: str | None = None
    definition_metadata: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of the declaration."""
    annotation: Any = Any
    resources: Any = field(default_factory=lambda: Resources("The IO manager", {}))
    resource_config: Any = None
    config: Any = None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("tidegate"))
    partitions_def: Any = None
    mapping_key: str | None = None
    """When the value is one of a dynamic output."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.definition_metadata

    @property
    def dagster_type(self) -> ValueType:
        return ValueType(self.annotation)

    @property
    def has_asset_key(self) -> bool:
        return self.key is not None

    @property
    def asset_key(self) -> AssetKey:
        if self.key is None:
            raise InvocationError(
                f"{self._label} is not an asset.", mend="Ask has_asset_key first."
            )
        return self.key

    @property
    def has_partition_key(self) -> bool:
        return self.run_partition is not None

    @property
    def partition_key(self) -> str:
        """The partition of the run."""
        if self.run_partition is None:
            raise InvocationError("The run has no partition.", mend="Ask has_partition_key first.")
        return self.run_partition

    @property
    def has_asset_partitions(self) -> bool:
        return self.partitions is not None

    @property
    def asset_partition_keys(self) -> Sequence[str]:
        if self.partitions is None:
            raise InvocationError(
                f"{self._label} has no partitions.", mend="Ask has_asset_partitions first."
            )
        return list(self.partitions)

    @property
    def asset_partition_key(self) -> str:
        """The one partition of the asset that this value is."""
        keys = self.asset_partition_keys
        if len(keys) != 1:
            raise InvocationError(
                f"{self._label} is {len(keys)} partitions.", mend="Use asset_partition_keys."
            )
        return keys[0]

    @property
    def asset_partitions_def(self) -> Any:
        return self.partitions_def

    @property
    def asset_partitions_time_window(self) -> Any:
        """Start and end in time: of the partition, or from the first to the last."""
        from tidegate.sdk.partitioned_context import span_of

        window, keys = self.partitions_def.time_window_for_partition_key, self.asset_partition_keys
        return span_of(window(keys[0]), window(keys[-1]))

    @property
    def asset_partition_key_range(self) -> PartitionKeyRange:
        from tidegate.domain.partitions.definition import PartitionKeyRange

        keys = self.asset_partition_keys
        return PartitionKeyRange(keys[0], keys[-1])

    @property
    def _label(self) -> str:
        return f"{self.name!r} of step {self.step_key!r}"

    def get_asset_identifier(self) -> Sequence[str]:
        """Parts that name the asset, and its partition if it has one."""
        parts = list(self.asset_key.path)
        return [*parts, self.asset_partition_key] if self.has_asset_partitions else parts

    def get_identifier(self) -> Sequence[str]:
        """Parts that name the value: of an asset as above, else run, step and output."""
        if self.has_asset_key:
            return self.get_asset_identifier()
        parts = [self.run_id, self.step_key, self.name]
        return parts if self.mapping_key is None else [*parts, self.mapping_key]


@dataclass(kw_only=True)
class OutputContext(_StoredValue):
    """What a manager is told of the value it stores."""

    output_metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    """Metadata given with this very value."""
    version: str | None = None
    added: dict[str, MetadataValue] = field(default_factory=dict)

    def add_output_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Say more about the value, such as where it is stored.

        Raises:
            InvocationError: a value is of no known kind, or a name was added before.
        """
        new = normalize_metadata(metadata)
        again = sorted(self.added.keys() & new)
        if again:
            raise InvocationError(
                f"{self._label} has metadata {again[0]!r} twice.", mend="Add each name once."
            )
        self.added.update(new)

    def get_logged_metadata(self) -> Mapping[str, MetadataValue]:
        """Metadata added so far."""
        return dict(self.added)


@dataclass(kw_only=True)
class InputContext(_StoredValue):
    """What a manager is told of the value it loads. ``name`` is the input's; ``upstream_output`` says what is stored."""

    upstream_output: OutputContext | None = None
    consumer: str = ""
    """Key of the step that wants the value."""
    added: dict[str, MetadataValue] = field(default_factory=dict)

    def add_input_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Say something about what was loaded."""
        self.added.update(normalize_metadata(metadata))

    def get_identifier(self) -> Sequence[str]:
        if self.has_asset_key or self.upstream_output is None:
            return super().get_identifier()
        return self.upstream_output.get_identifier()


class IOManagerDefinition(ResourceDefinition):
    """An IO manager that a function makes; see ``io_manager``."""

    @staticmethod
    def hardcoded_io_manager(value: IOManager, description: str = "") -> IOManagerDefinition:
        return IOManagerDefinition(function=lambda: value, description=description)


@overload
def io_manager(function: Callable[..., Any], /) -> IOManagerDefinition: ...
@overload
def io_manager(
    function: None = None,
    /,
    *,
    config_schema: Any = None,
    description: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> Callable[[Callable[..., Any]], IOManagerDefinition]: ...
@known_arguments
def io_manager(
    function: Callable[..., Any] | None = None,
    /,
    *,
    config_schema: Any = None,
    description: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> Any:
    """Make a function an IO manager: it is called with an ``InitResourceContext`` and returns an ``IOManager``."""

    def declare(made: Callable[..., Any]) -> IOManagerDefinition:
        return IOManagerDefinition(
            function=made,
            config_schema=config_schema,
            description=description if description is not None else (made.__doc__ or ""),
            required_resource_keys=frozenset(required_resource_keys or ()),
        )

    return declare if function is None else declare(function)


@known_arguments
def build_output_context(
    *,
    step_key: str = "",
    name: str = "result",
    definition_metadata: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    output_metadata: Mapping[str, Any] | None = None,
    run_id: str = "",
    mapping_key: str | None = None,
    config: Any = None,
    dagster_type: Any = Any,
    version: str | None = None,
    resource_config: Any = None,
    resources: Mapping[str, Any] | None = None,
    asset_key: CoercibleToAssetKey | None = None,
    partition_key: str | None = None,
) -> OutputContext:
    """A context for calling ``handle_output`` in a test. ``partition_key`` is the run's, and the asset's if there is one."""
    return OutputContext(
        step_key=step_key,
        name=name,
        definition_metadata=definition_metadata or metadata or {},
        output_metadata=normalize_metadata(output_metadata),
        run_id=run_id,
        mapping_key=mapping_key,
        config=config,
        annotation=dagster_type,
        version=version,
        resource_config=resource_config,
        resources=Resources("The IO manager", resources or {}),
        key=None if asset_key is None else AssetKey.from_coercible(asset_key),
        partitions=_partitions(asset_key, partition_key),
        run_partition=partition_key,
    )


@known_arguments
def build_input_context(
    *,
    name: str = "input",
    config: Any = None,
    definition_metadata: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    upstream_output: OutputContext | None = None,
    dagster_type: Any = Any,
    resource_config: Any = None,
    resources: Mapping[str, Any] | None = None,
    step_key: str = "",
    run_id: str = "",
    asset_key: CoercibleToAssetKey | None = None,
    partition_key: str | None = None,
) -> InputContext:
    """A context for calling ``load_input`` in a test; of the asset and partition of ``upstream_output`` unless given."""
    if upstream_output is not None:
        asset_key = asset_key if asset_key is not None else upstream_output.key
        partition_key = partition_key or upstream_output.run_partition
    return InputContext(
        name=name,
        config=config,
        definition_metadata=definition_metadata or metadata or {},
        upstream_output=upstream_output,
        annotation=dagster_type,
        resource_config=resource_config,
        resources=Resources("The IO manager", resources or {}),
        step_key=step_key,
        run_id=run_id,
        key=None if asset_key is None else AssetKey.from_coercible(asset_key),
        partitions=_partitions(asset_key, partition_key),
        run_partition=partition_key,
    )


def _partitions(asset_key: Any, partition_key: str | None) -> tuple[str, ...] | None:
    return None if asset_key is None or partition_key is None else (partition_key,)
