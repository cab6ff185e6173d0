"""One step that makes assets: what ``@asset`` and ``@multi_asset`` answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tidegate.errors import DefinitionError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.asset_spec import AssetSpec, SourceAsset
from tidegate.sdk.composition import current_builder
from tidegate.sdk.declaration import at
from tidegate.sdk.invocation import call_directly
from tidegate.sdk.setting import StepSetting
from tidegate.sdk.signature import Signature, Unresolved
from tidegate.sdk.step import StepDefinition, StepInput, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetInput:
    """An upstream asset: loaded into an argument, or (``loads=False``) only waited for."""

    name: str
    key: AssetKey
    loads: bool = True
    annotation: Any = Any
    default: Any = ...
    io_manager_key: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    partition_mapping: Any = None

    @property
    def hint(self) -> str:
        """Why the argument may have been meant as something else than an asset."""
        if isinstance(self.annotation, Unresolved):
            return (
                f"Its annotation {str(self.annotation)!r} is not defined there: if it is a "
                "resource or config, import it at run time. "
            )
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """An asset, as those that read it see it."""

    output: StepOutput
    step: str | None = None
    """The step that makes it; None: external."""
    partitions_def: Any = None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AssetsDefinition:
    """Assets that one function makes in one step. Called, it is the function itself."""

    name: str
    """The step key."""
    specs: tuple[AssetSpec, ...]
    """One for each output, in the same order; their ``deps`` are the whole lineage."""
    outputs: tuple[StepOutput, ...]
    inputs: tuple[AssetInput, ...]
    signature: Signature
    setting: StepSetting
    config_type: Any = None
    can_subset: bool = False
    description: str = ""
    backfill_policy: Any = None

    @property
    def keys(self) -> tuple[AssetKey, ...]:
        return tuple(spec.key for spec in self.specs)

    @property
    def key(self) -> AssetKey:
        """The key of the only asset.

        Raises:
            DefinitionError: there are several.
        """
        if len(self.specs) != 1:
            raise DefinitionError(
                f"{self.label} has {len(self.specs)} assets.", mend="Name one of them by its key."
            )
        return self.specs[0].key

    @property
    def partitions_def(self) -> Any:
        """The partitions of all of its assets."""
        return self.specs[0].partitions_def

    @property
    def source(self) -> str:
        return self.signature.source

    @property
    def label(self) -> str:
        kind = "Multi-asset" if len(self.specs) > 1 else "Asset"
        name = self.name if len(self.specs) > 1 else str(self.specs[0].key)
        return f"{kind} {name!r}{at(self.source)}"

    @property
    def __name__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"AssetsDefinition({', '.join(map(str, self.keys))})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current_builder() is not None:
            raise DefinitionError(
                f"{self.label} is called in the body of a graph.",
                mend="Pass the asset itself as an input of an op; an asset is no op.",
            )
        defaults = {one.name: one.default for one in self.inputs if one.default is not ...}
        return call_directly(
            self.label, self.signature, args, kwargs, defaults, self.outputs, self.partitions_def
        )

    def to_source_asset(self) -> SourceAsset:
        """The same asset as one that is made elsewhere."""
        spec, output = self.specs[0], self.outputs[0]
        return SourceAsset(
            self.key,
            metadata=spec.metadata,
            io_manager_key=output.io_manager_key,
            description=spec.description,
            partitions_def=spec.partitions_def,
            group_name=spec.group_name,
            tags=spec.tags,
            source=self.source,
        )

    def map_asset_specs(self, change: Callable[[AssetSpec], AssetSpec]) -> AssetsDefinition:
        """The same step with changed specs. Keys and deps stay as they are.

        Raises:
            DefinitionError: a key, a dep or the partitions differ after the change.
        """
        specs = tuple(change(spec) for spec in self.specs)
        for old, new in zip(self.specs, specs, strict=True):
            if (old.key, old.deps, old.partitions_def) != (new.key, new.deps, new.partitions_def):
                raise DefinitionError(
                    f"{self.label}: the key, deps or partitions of a spec were changed.",
                    mend="Change them where the asset is declared.",
                )
        outputs = tuple(
            replace(one, metadata=spec.metadata, code_version=spec.code_version)
            for one, spec in zip(self.outputs, specs, strict=True)
        )
        return replace(self, specs=specs, outputs=outputs)

    def renamed(self, names: Mapping[AssetKey, AssetKey]) -> AssetsDefinition:
        """The same step with other keys, of its own assets and of upstream ones."""
        specs = tuple(
            replace(
                spec,
                key=names.get(spec.key, spec.key),
                deps=tuple(names.get(key, key) for key in spec.deps),
                partition_mappings={
                    names.get(key, key): one for key, one in spec.partition_mappings.items()
                },
            )
            for spec in self.specs
        )
        outputs = tuple(
            replace(one, asset_key=spec.key) for one, spec in zip(self.outputs, specs, strict=True)
        )
        inputs = tuple(replace(one, key=names.get(one.key, one.key)) for one in self.inputs)
        single = len(specs) == 1 and self.name == self.specs[0].key.to_python_identifier()
        name = specs[0].key.to_python_identifier() if single else self.name
        return replace(self, name=name, specs=specs, outputs=outputs, inputs=inputs)

    def step(self, upstream: Mapping[AssetKey, Upstream]) -> StepDefinition:
        """The step. ``upstream`` says of each asset what is known of it."""
        setting, signature = self.setting, self.signature
        return StepDefinition(
            key=self.name,
            name=self.name,
            function=signature.function,
            inputs=tuple(_step_input(one, upstream[one.key], self.name) for one in self.inputs),
            outputs=self.outputs,
            context_parameter=signature.context_parameter,
            config_parameter=signature.config_parameter,
            config_type=self.config_type,
            resource_parameters=signature.resources,
            required_resource_keys=setting.required_resource_keys,
            pools=setting.pools,
            priority=setting.priority,
            tags=setting.tags,
            compute=setting.compute,
            timeout_seconds=setting.timeout_seconds,
            retry_policy=setting.retry_policy,
            partitions_def=self.partitions_def,
            backfill_policy=self.backfill_policy,
            can_subset=self.can_subset,
            is_asset=True,
            description=self.description,
            source=signature.source,
        )


def _step_input(one: AssetInput, upstream: Upstream, own: str) -> StepInput:
    elsewhere = upstream.step is None or upstream.step == own
    return StepInput(
        name=one.name,
        sources=() if elsewhere else ((str(upstream.step), upstream.output.name),),
        partition_mapping=one.partition_mapping,
        loads=one.loads,
        asset_key=one.key,
        io_manager_key=one.io_manager_key,
        annotation=one.annotation,
        metadata=one.metadata,
        default=one.default,
        upstream=upstream.output,
        partitions_def=upstream.partitions_def,
    )
