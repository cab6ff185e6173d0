"""Assets: ``@asset`` and ``@multi_asset`` turn functions into definitions of the data they make."""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from tidegate.errors import DefinitionError
from tidegate.sdk.asset_key import AssetKey, prefix_parts
from tidegate.sdk.asset_spec import AssetIn, AssetSpec, check_mapping, read_deps, read_mappings
from tidegate.sdk.assets_definition import AssetInput, AssetsDefinition
from tidegate.sdk.declaration import at, check_name, known_arguments, suggestion
from tidegate.sdk.op import (
    Nothing,
    describe,
    read_config_type,
    value_annotation,
)
from tidegate.sdk.setting import read_setting, settings_in
from tidegate.sdk.signature import Signature, read_signature
from tidegate.sdk.step import StepOutput

if TYPE_CHECKING:
    from tidegate.domain.backfills.policy import BackfillPolicy
    from tidegate.domain.partitions.definition import PartitionsDefinition
    from tidegate.domain.partitions.mapping import PartitionMapping
    from tidegate.sdk.asset_key import CoercibleToAssetDep, CoercibleToAssetKey
    from tidegate.sdk.compute import Compute
    from tidegate.sdk.retry import RetryPolicy


class StepArguments(TypedDict, total=False):
    """Arguments that ``@asset`` and ``@multi_asset`` share."""

    name: str | None
    ins: Mapping[str, AssetIn] | None
    deps: Iterable[CoercibleToAssetDep] | None
    description: str | None
    config_schema: Any
    required_resource_keys: collections.abc.Set[str] | None
    partitions_def: PartitionsDefinition | None
    backfill_policy: BackfillPolicy | None
    op_tags: Mapping[str, Any] | None
    group_name: str | None
    retry_policy: RetryPolicy | None
    code_version: str | None
    pool: str | Mapping[str, int] | None
    slots: int
    compute: Compute
    timeout: Any


class AssetArguments(StepArguments, total=False):
    """Arguments of ``@asset``."""

    key: CoercibleToAssetKey | None
    key_prefix: str | Sequence[str] | None
    metadata: Mapping[str, Any] | None
    tags: Mapping[str, str] | None
    io_manager_key: str | None
    output_required: bool
    owners: Sequence[str] | None
    kinds: Iterable[str] | None
    dagster_type: Any


@overload
def asset(compute_fn: Callable[..., Any], /) -> AssetsDefinition: ...
@overload
def asset(
    compute_fn: None = None, /, **arguments: Unpack[AssetArguments]
) -> Callable[[Callable[..., Any]], AssetsDefinition]: ...
@known_arguments
def asset(
    compute_fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    key: CoercibleToAssetKey | None = None,
    key_prefix: str | Sequence[str] | None = None,
    ins: Mapping[str, AssetIn] | None = None,
    deps: Iterable[CoercibleToAssetDep] | None = None,
    metadata: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    description: str | None = None,
    config_schema: Any = None,
    required_resource_keys: collections.abc.Set[str] | None = None,
    io_manager_key: str | None = None,
    dagster_type: Any = ...,
    partitions_def: PartitionsDefinition | None = None,
    backfill_policy: BackfillPolicy | None = None,
    op_tags: Mapping[str, Any] | None = None,
    group_name: str | None = None,
    output_required: bool = True,
    retry_policy: RetryPolicy | None = None,
    code_version: str | None = None,
    owners: Sequence[str] | None = None,
    kinds: Iterable[str] | None = None,
    pool: str | Mapping[str, int] | None = None,
    slots: int = 1,
    compute: Compute = "lambda",
    timeout: Any = None,
) -> Any:
    """Make a function an asset. Its arguments are the upstream assets of those names.

    Args:
        key: The whole key, instead of ``key_prefix`` and ``name``.
        ins: What to say of an argument: another key, another IO manager.
        deps: Assets that must be there first, and are not loaded.
        backfill_policy: How many partitions one run of a backfill makes; left out, one.
        op_tags: Tags of the step; ``tidegate/priority`` orders it among those that wait for a slot.
        output_required: False if the function may yield nothing; what is downstream is then
            skipped.
        pool: The pool the step takes a slot of, or a mapping from pools to slots.
        slots: Slots of the pool that the step takes.
        compute: ``"lambda"``, or ``Ecs(...)`` for a container of its own.
        timeout: Seconds, or a timedelta, after which the attempt is ended.

    Raises:
        DefinitionError: an argument, or a parameter of the function, makes no sense.
    """

    said = {name: value for name, value in locals().items() if name != "compute_fn"}
    if compute_fn is None:
        return lambda function: _declare(function, said)
    return _declare(compute_fn, said)


def _declare(function: Any, said: Mapping[str, Any]) -> AssetsDefinition:
    """The definition that ``@asset`` makes, given all of its arguments."""
    called = said["name"] or getattr(function, "__name__", "")
    signature = read_signature(function, f"Asset {called!r}")
    own = _key(signature, function, said["key"], said["name"], said["key_prefix"])
    where = f"Asset {str(own)!r}{at(signature.source)}"
    inputs = asset_inputs(where, signature, said["ins"], said["deps"])
    spec = AssetSpec(
        own,
        deps=[one.key for one in inputs],
        description=describe(function, said["description"]),
        metadata=said["metadata"] or {},
        skippable=not said["output_required"],
        group_name=said["group_name"],
        code_version=said["code_version"],
        owners=said["owners"] or (),
        tags=said["tags"] or {},
        kinds=said["kinds"] or (),
        partitions_def=said["partitions_def"],
        partition_mappings=mappings_of(inputs),
        source=signature.source,
    )
    annotation = signature.returns if said["dagster_type"] is ... else said["dagster_type"]
    manager = "io_manager" if said["io_manager_key"] is None else said["io_manager_key"]
    return AssetsDefinition(
        name=own.to_python_identifier(),
        specs=(spec,),
        outputs=(asset_output("result", spec, manager, value_annotation(annotation)),),
        inputs=inputs,
        signature=signature,
        setting=read_setting(where, tags=said["op_tags"], **settings_in(said)),
        config_type=read_config_type(where, signature, said["config_schema"]),
        description=spec.description or "",
        backfill_policy=check_policy(where, said["backfill_policy"], said["partitions_def"]),
    )


def mappings_of(inputs: Iterable[AssetInput]) -> dict[AssetKey, PartitionMapping]:
    """The partition mappings that inputs name, by key."""
    return {one.key: one.partition_mapping for one in inputs if one.partition_mapping is not None}


def check_policy(where: str, policy: Any, partitions: Any) -> Any:
    from tidegate.domain.backfills.policy import BackfillPolicy

    if policy is None or (isinstance(policy, BackfillPolicy) and partitions is not None):
        return policy
    raise DefinitionError(
        f"{where} has backfill_policy={policy!r}"
        f"{' without partitions' if isinstance(policy, BackfillPolicy) else ''}.",
        mend="Give BackfillPolicy.single_run() or .multi_run(n), to what has a partitions_def.",
    )


def _key(signature: Signature, function: Any, key: Any, name: Any, prefix: Any) -> AssetKey:
    if key is not None:
        if name is not None or prefix is not None:
            raise DefinitionError(
                f"Asset {key!r}{at(signature.source)} has `key` beside `name` or `key_prefix`.",
                mend="Give the key alone, or the others.",
            )
        return AssetKey.from_coercible(key)
    called = name if name is not None else getattr(function, "__name__", "")
    parts = [*prefix_parts(prefix), called]
    return AssetKey([check_name("An asset", part, signature.source) for part in parts])


def asset_inputs(where: str, signature: Signature, ins: Any, deps: Any) -> tuple[AssetInput, ...]:
    said = {} if ins is None else ins
    if not isinstance(said, Mapping) or not all(isinstance(v, AssetIn) for v in said.values()):
        raise DefinitionError(f"{where} has ins={ins!r}.", mend='Give {"name": AssetIn(...)}.')
    names = [one.name for one in signature.arguments]
    found = []
    for one in signature.arguments:
        extra = said.get(one.name) or AssetIn()
        found.append(_input(where, one.name, extra, one.annotation, one.default))
    for name, extra in said.items():
        if name in names:
            continue
        if not signature.takes_any and extra.dagster_type is not Nothing:
            raise DefinitionError(
                f"{where} says ins of {name!r}, which is no parameter of the function.",
                mend=f"{suggestion(name, names)}Add the parameter, or use deps.",
            )
        called = check_name(f"An input of {where}", name, "")
        found.append(_input(where, called, extra, Any, ...))
    by_key = _by_key(where, found)
    waited = read_deps(where, deps)
    for key in waited:
        if key in by_key:
            raise DefinitionError(
                f"{where} has {str(key)!r} in deps, and as the argument {by_key[key]!r}.",
                mend="Keep one: the argument loads it, deps only waits for it.",
            )
    return (*found, *order_only(where, found, waited, read_mappings(where, deps)))


def _by_key(where: str, found: Iterable[AssetInput]) -> dict[AssetKey, str]:
    by_key: dict[AssetKey, str] = {}
    for made in found:
        if made.key in by_key:
            raise DefinitionError(
                f"{where} reads {str(made.key)!r} as {by_key[made.key]!r} and as {made.name!r}.",
                mend="Read it once.",
            )
        by_key[made.key] = made.name
    return by_key


def _input(where: str, name: str, said: AssetIn, annotation: Any, default: Any) -> AssetInput:
    key = said.asset_key(name)
    if said.partition_mapping is not None:
        check_mapping(where, key, said.partition_mapping)
    return AssetInput(
        name=name,
        key=key,
        partition_mapping=said.partition_mapping,
        loads=said.dagster_type is not Nothing and annotation is not Nothing,
        annotation=annotation if said.dagster_type is ... else said.dagster_type,
        default=default,
        io_manager_key=said.input_manager_key,
        metadata=said.metadata,
    )


def order_only(
    where: str,
    inputs: Iterable[AssetInput],
    keys: Iterable[AssetKey],
    mappings: Mapping[AssetKey, PartitionMapping],
) -> tuple[AssetInput, ...]:
    taken = {one.name for one in inputs}
    made = []
    for key in keys:
        name = key.to_python_identifier()
        while name in taken:
            name += "_"
        taken.add(name)
        made.append(
            AssetInput(
                name=name,
                key=key,
                loads=False,
                annotation=Nothing,
                partition_mapping=mappings.get(key),
            )
        )
    return tuple(made)


def asset_output(name: str, spec: AssetSpec, io_manager_key: str, annotation: Any) -> StepOutput:
    if not isinstance(io_manager_key, str) or not io_manager_key:
        raise DefinitionError(
            f"Asset {str(spec.key)!r}{at(spec.source)} has io_manager_key={io_manager_key!r}.",
            mend="Give the name of a resource.",
        )
    return StepOutput(
        name=name,
        asset_key=spec.key,
        required=not spec.skippable,
        io_manager_key=io_manager_key,
        annotation=annotation,
        metadata=spec.metadata,
        code_version=spec.code_version,
    )
