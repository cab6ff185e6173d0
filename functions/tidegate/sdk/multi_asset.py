"""``@multi_asset``: several assets that one function makes in one step."""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.errors import DefinitionError
from tidegate.sdk.asset import asset_inputs, asset_output, check_policy, mappings_of, order_only
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.asset_spec import AssetIn, AssetOut, AssetSpec
from tidegate.sdk.assets_definition import AssetInput, AssetsDefinition
from tidegate.sdk.declaration import at, check_name, known_arguments, suggestion
from tidegate.sdk.op import describe, read_config_type, several_annotations, value_annotation
from tidegate.sdk.setting import read_setting, settings_in
from tidegate.sdk.signature import Signature, read_signature
from tidegate.sdk.step import StepOutput

if TYPE_CHECKING:
    from tidegate.domain.backfills.policy import BackfillPolicy
    from tidegate.domain.partitions.definition import PartitionsDefinition
    from tidegate.sdk.asset_key import CoercibleToAssetDep
    from tidegate.sdk.compute import Compute
    from tidegate.sdk.retry import RetryPolicy


@known_arguments
def multi_asset(
    *,
    outs: Mapping[str, AssetOut] | None = None,
    specs: Sequence[AssetSpec] | None = None,
    name: str | None = None,
    ins: Mapping[str, AssetIn] | None = None,
    deps: Iterable[CoercibleToAssetDep] | None = None,
    description: str | None = None,
    config_schema: Any = None,
    required_resource_keys: collections.abc.Set[str] | None = None,
    internal_asset_deps: Mapping[str, collections.abc.Set[AssetKey]] | None = None,
    partitions_def: PartitionsDefinition | None = None,
    backfill_policy: BackfillPolicy | None = None,
    op_tags: Mapping[str, Any] | None = None,
    can_subset: bool = False,
    group_name: str | None = None,
    retry_policy: RetryPolicy | None = None,
    code_version: str | None = None,
    pool: str | Mapping[str, int] | None = None,
    slots: int = 1,
    compute: Compute = "lambda",
    timeout: Any = None,
) -> Callable[[Callable[..., Any]], AssetsDefinition]:
    """Make a function several assets, all made in one step.

    Args:
        outs: One ``AssetOut`` by output name; the function returns or yields values.
        specs: Instead of ``outs``: the assets, when the function stores what it makes by itself.
        can_subset: The function makes only ``context.selected_asset_keys``, so a run may choose
            among them.
        internal_asset_deps: For an output, the assets it is made of, when not of all inputs.

    Raises:
        DefinitionError: an argument, or a parameter of the function, makes no sense.
    """

    said = dict(locals())
    return lambda function: _declare(function, said)


def _declare(function: Any, said: Mapping[str, Any]) -> AssetsDefinition:
    """The definition that ``@multi_asset`` makes, given all of its arguments."""
    called = str(said["name"] or getattr(function, "__name__", ""))
    signature = read_signature(function, f"Multi-asset {called!r}")
    check_name("A multi-asset", called, signature.source)
    where = f"Multi-asset {called!r}{at(signature.source)}"
    inputs = asset_inputs(where, signature, said["ins"], said["deps"])
    specs, outputs = _made(where, signature, inputs, said)
    known = {one.asset_key for one in outputs} | {one.key for one in inputs}
    lineage = dict.fromkeys(key for spec in specs for key in spec.deps)
    more = [key for key in lineage if key not in known]
    return AssetsDefinition(
        name=called,
        specs=specs,
        outputs=outputs,
        inputs=inputs + order_only(where, inputs, more, _mappings_of(specs)),
        backfill_policy=check_policy(where, said["backfill_policy"], specs[0].partitions_def),
        signature=signature,
        setting=read_setting(where, tags=said["op_tags"], **settings_in(said)),
        config_type=read_config_type(where, signature, said["config_schema"]),
        can_subset=said["can_subset"],
        description=describe(function, said["description"]),
    )


def _mappings_of(specs: Iterable[AssetSpec]) -> dict[AssetKey, Any]:
    return {key: one for spec in specs for key, one in spec.partition_mappings.items()}


def _made(
    where: str, signature: Signature, inputs: tuple[AssetInput, ...], said: Mapping[str, Any]
) -> tuple[tuple[AssetSpec, ...], tuple[StepOutput, ...]]:
    """Specs and outputs, from ``specs`` or ``outs``."""
    shared = {name: said[name] for name in ("group_name", "code_version", "partitions_def")}
    if (said["outs"] is None) == (said["specs"] is None):
        raise DefinitionError(f"{where} needs either `outs` or `specs`.", mend="Give one.")
    if said["specs"] is None:
        internal = said["internal_asset_deps"] or {}
        return _of_outs(where, signature, said["outs"], inputs, internal, shared)
    if said["internal_asset_deps"]:
        raise DefinitionError(
            f"{where} has both `specs` and `internal_asset_deps`.", mend="Use deps of the specs."
        )
    return _of_specs(where, signature, said["specs"], inputs, shared)


def _of_specs(
    where: str,
    signature: Signature,
    specs: Sequence[AssetSpec],
    inputs: tuple[AssetInput, ...],
    shared: Mapping[str, Any],
) -> tuple[tuple[AssetSpec, ...], tuple[StepOutput, ...]]:
    if not specs or not all(isinstance(one, AssetSpec) for one in specs):
        raise DefinitionError(f"{where} has specs={specs!r}.", mend="Give a list of AssetSpec.")
    revised = []
    for spec in specs:
        changes: dict[str, Any] = {"source": signature.source}
        for attribute, value in shared.items():
            if value is None:
                continue
            if getattr(spec, attribute) not in (None, value):
                raise DefinitionError(
                    f"{where} has {attribute}={value!r}, and so has {str(spec.key)!r}, another.",
                    mend="Keep one of them.",
                )
            changes[attribute] = value
        arguments = [one.key for one in inputs if one.key not in spec.deps]
        changes["partition_mappings"] = {**spec.partition_mappings, **mappings_of(inputs)}
        revised.append(spec.replace_attributes(deps=[*spec.deps, *arguments], **changes))
    # No value: what the function makes it stores by itself, so it may return None.
    outputs = tuple(
        asset_output(spec.key.to_python_identifier(), spec, "io_manager", None) for spec in revised
    )
    _distinct(where, revised, outputs)
    return tuple(revised), outputs


def _of_outs(
    where: str,
    signature: Signature,
    outs: Any,
    inputs: tuple[AssetInput, ...],
    internal: Mapping[str, Any],
    shared: Mapping[str, Any],
) -> tuple[tuple[AssetSpec, ...], tuple[StepOutput, ...]]:
    _check_outs(where, outs, internal)
    specs = []
    for name, one in outs.items():
        specs.append(
            AssetSpec(
                one.asset_key(name),
                deps=internal.get(name) or [given.key for given in inputs],
                description=one.description,
                metadata=one.metadata,
                skippable=not one.is_required,
                group_name=one.group_name or shared["group_name"],
                code_version=one.code_version or shared["code_version"],
                owners=one.owners,
                tags=one.tags,
                kinds=one.kinds,
                partitions_def=shared["partitions_def"],
                partition_mappings=mappings_of(inputs),
                source=signature.source,
            )
        )
    annotations = several_annotations(signature.returns, len(outs))
    outputs = tuple(
        asset_output(
            name,
            spec,
            one.io_manager_key,
            annotation if one.dagster_type is ... else value_annotation(one.dagster_type),
        )
        for (name, one), spec, annotation in zip(outs.items(), specs, annotations, strict=True)
    )
    _distinct(where, specs, outputs)
    return tuple(specs), outputs


def _check_outs(where: str, outs: Any, internal: Mapping[str, Any]) -> None:
    if not isinstance(outs, Mapping) or not outs:
        raise DefinitionError(f"{where} has outs={outs!r}.", mend='Give {"name": AssetOut(...)}.')
    for name, one in outs.items():
        check_name(f"An output of {where}", name, "")
        if not isinstance(one, AssetOut):
            raise DefinitionError(
                f"{where} has {one!r} as output {name!r}.", mend="Give AssetOut()."
            )
    for name in internal:
        if name not in outs:
            raise DefinitionError(
                f"{where} has internal_asset_deps of {name!r}, which is no output.",
                mend=f"{suggestion(name, outs)}Outputs: {', '.join(outs)}.",
            )


def _distinct(where: str, specs: Sequence[AssetSpec], outputs: tuple[StepOutput, ...]) -> None:
    for what, names in (
        ("asset", [str(spec.key) for spec in specs]),
        ("output", [one.name for one in outputs]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise DefinitionError(
                    f"{where} makes the {what} {name!r} twice.", mend="Give each its own name."
                )
    if len({id(spec.partitions_def) for spec in specs}) > 1:
        first = specs[0].partitions_def
        for spec in specs:
            if spec.partitions_def != first:
                raise DefinitionError(
                    f"{where} makes {str(spec.key)!r} with other partitions than "
                    f"{str(specs[0].key)!r}.",
                    mend="Assets of one step share their partitions.",
                )
