"""All assets of ``Definitions`` put together: unique keys, upstream assets found, no cycles, steps
in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidegate.domain.asset_graph import in_order
from tidegate.errors import DefinitionError, InvocationError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.asset_spec import AssetSpec, SourceAsset
from tidegate.sdk.assets_definition import AssetInput, AssetsDefinition, Upstream
from tidegate.sdk.declaration import at, caller_source, suggestion
from tidegate.sdk.op import OpDefinition
from tidegate.sdk.step import StepDefinition, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetLayout:
    made: tuple[AssetsDefinition, ...]
    """Upstream before downstream."""
    external: tuple[AssetSpec, ...]
    steps: tuple[StepDefinition, ...]
    """Of ``made``, in the same order."""
    upstream: Mapping[AssetKey, Upstream]
    """What is known of each asset."""


def lay_out(assets: Iterable[Any]) -> AssetLayout:
    """Put assets together.

    Raises:
        DefinitionError: two assets of one key, an upstream asset that is not defined, a cycle.
    """
    made: dict[int, AssetsDefinition] = {}
    external: dict[int, AssetSpec | SourceAsset] = {}
    for one in assets:
        if isinstance(one, AssetsDefinition):
            made[id(one)] = one
        elif isinstance(one, (AssetSpec, SourceAsset)):
            external[id(one)] = one
        else:
            raise DefinitionError(
                f"Definitions{at(caller_source())} has {_shown(one)} among its assets.",
                mend=_mend(one),
            )
    upstream = _by_key(made.values(), external.values())
    finder = _Finder(upstream, made.values())
    connected = [finder.connect(one) for one in made.values()]
    ordered = _ordered(connected, upstream)
    specs = [one.to_spec() if isinstance(one, SourceAsset) else one for one in external.values()]
    for spec in specs:
        for key in spec.deps:
            if key not in upstream:
                refuse_unknown(f"Asset {str(spec.key)!r}{at(spec.source)}", key, "deps", upstream)
    for spec in [*specs, *(spec for one in ordered for spec in one.specs)]:
        _check_metadata(spec)
    for one in ordered:
        _check_mappings(one, upstream)
    return AssetLayout(
        made=tuple(ordered),
        external=tuple(specs),
        steps=tuple(one.step(upstream) for one in ordered),
        upstream=upstream,
    )


def _by_key(
    made: Iterable[AssetsDefinition], external: Iterable[AssetSpec | SourceAsset]
) -> dict[AssetKey, Upstream]:
    """What those downstream see of each asset; refuses two of one key, and two steps of one
    name."""
    found: dict[AssetKey, Upstream] = {}
    sources: dict[AssetKey, str] = {}
    names: dict[str, AssetsDefinition] = {}

    def add(key: AssetKey, source: str, upstream: Upstream) -> None:
        if key in found:
            raise DefinitionError(
                f"Asset {str(key)!r}{at(source)} is defined twice{at(sources[key])}.",
                mend="Give one of them another name or key_prefix, or remove it.",
            )
        found[key], sources[key] = upstream, source

    for one in made:
        for spec, output in zip(one.specs, one.outputs, strict=True):
            add(
                spec.key,
                one.source,
                Upstream(output=output, step=one.name, partitions_def=spec.partitions_def),
            )
        other = names.setdefault(one.name, one)
        if other is not one:
            raise DefinitionError(
                f"{one.label} and {other.label} have the same step name {one.name!r}.",
                mend="Rename one of them.",
            )
    for elsewhere in external:
        output = StepOutput(
            name="result",
            asset_key=elsewhere.key,
            io_manager_key=getattr(elsewhere, "io_manager_key", "io_manager"),
            annotation=Any,
            metadata=elsewhere.metadata,
        )
        seen = Upstream(output=output, partitions_def=elsewhere.partitions_def)
        add(elsewhere.key, elsewhere.source, seen)
    return found


class _Finder:
    """Finds upstream assets that are named without their prefix."""

    def __init__(
        self, known: Mapping[AssetKey, Upstream], made: Iterable[AssetsDefinition]
    ) -> None:
        self.known = known
        self._by_group: dict[tuple[str, str], list[AssetKey]] = {}
        for one in made:
            for spec in one.specs:
                self._by_group.setdefault((spec.group, spec.key.name), []).append(spec.key)

    def connect(self, one: AssetsDefinition) -> AssetsDefinition:
        """The definition with the keys of the upstream assets it means."""
        own = set(one.keys)
        renames = {
            given.key: self._find(one, given)
            for given in one.inputs
            if given.key not in self.known or given.key in own
        }
        for key, found in renames.items():
            if key in own and found == key and not _on_earlier(one, key):
                raise DefinitionError(
                    f"{one.label} depends on itself.",
                    mend="Read another asset; or, partitioned by time, its own earlier partitions, with "
                    "TimeWindowPartitionMapping(start_offset=-1, end_offset=-1).",
                )
        if not renames:
            return one
        specs = tuple(
            spec.replace_attributes(
                deps=tuple(dict.fromkeys(renames.get(key, key) for key in spec.deps)),
                partition_mappings={
                    renames.get(key, key): mapped for key, mapped in spec.partition_mappings.items()
                },
            )
            for spec in one.specs
        )
        inputs = tuple(
            replace(given, key=renames.get(given.key, given.key)) for given in one.inputs
        )
        return replace(one, specs=specs, inputs=inputs)

    def _find(self, one: AssetsDefinition, given: AssetInput) -> AssetKey:
        """An asset of the same prefix or, if there is just one, of the same group, by its last
        part."""
        own = one.keys
        if given.key in self.known:
            return given.key
        if len(given.key.path) == 1:
            for spec in one.specs:
                sibling = AssetKey([*spec.key.path[:-1], given.key.name])
                if sibling in self.known and sibling not in own:
                    return sibling
            for spec in one.specs:
                namesakes = self._by_group.get((spec.group, given.key.name), [])
                if len(namesakes) == 1 and namesakes[0] not in own:
                    return namesakes[0]
        how = f"argument {given.name!r}" if given.loads else "deps"
        return refuse_unknown(one.label, given.key, how, self.known, given.hint)


def refuse_unknown(
    label: str, key: AssetKey, how: str, known: Mapping[AssetKey, Upstream], hint: str = ""
) -> AssetKey:
    names = [str(one) for one in known]
    guess = suggestion(str(key), names) or next(
        (f"Did you mean {name!r}? " for name in names if name.rpartition("/")[2] == key.name), ""
    )
    raise DefinitionError(
        f"{label} has the upstream asset {str(key)!r} ({how}), which is not defined.",
        mend=f"{guess}{hint}Add it to the assets of Definitions; declare it with "
        f"AssetSpec({str(key)!r}) when it is made elsewhere.",
    )


def _ordered(
    made: list[AssetsDefinition], upstream: Mapping[AssetKey, Upstream]
) -> list[AssetsDefinition]:
    deps = {key: spec.deps for one in made for key, spec in zip(one.keys, one.specs, strict=True)}
    _, cycle = in_order(deps, lambda key: [dep for dep in deps[key] if dep != key])
    if cycle:
        raise DefinitionError(
            f"Assets depend on each other in a circle: {' -> '.join(map(str, cycle))}"
            f"{_places(cycle, made)}.",
            mend="Take one of these dependencies away.",
        )
    by_name = {one.name: one for one in made}
    ordered, circle = in_order(
        by_name,
        lambda name: [
            step
            for one in by_name[name].inputs
            if (step := upstream[one.key].step) and step != name
        ],
    )
    if circle:
        raise DefinitionError(
            f"Steps need each other's assets in a circle: {' -> '.join(circle)}"
            f"{at(by_name[circle[0]].source)}.",
            mend="Split the multi-asset, so that each step needs only steps before it.",
        )
    return [by_name[name] for name in ordered]


def _on_earlier(one: AssetsDefinition, key: AssetKey) -> bool:
    """An asset is made of its own earlier partitions."""
    from tidegate.domain.partitions.default_mapping import may_depend_on_itself

    mapping = next((s.partition_mappings.get(key) for s in one.specs if s.key == key), None)
    return may_depend_on_itself(mapping, one.partitions_def)


def _check_mappings(one: AssetsDefinition, upstream: Mapping[AssetKey, Upstream]) -> None:
    """Partitions of upstream assets can be told for each of its own."""
    from tidegate.domain.partitions.default_mapping import infer_mapping

    for spec in one.specs:
        for key in spec.deps:
            given, up = spec.partition_mappings.get(key), upstream[key].partitions_def
            if given is None and (up is None or spec.partitions_def is None):
                continue
            try:
                (given or infer_mapping(spec.partitions_def, up)).check(spec.partitions_def, up)
            except DefinitionError as error:
                mend = (
                    error.mend
                    if given is not None
                    else (
                        "They are partitioned differently: say which partitions, with "
                        "AssetIn(partition_mapping=...) or AssetDep(partition_mapping=...)."
                    )
                )
                raise DefinitionError(
                    f"{one.label} and its upstream asset {str(key)!r}: {error.message}", mend=mend
                ) from None


def _check_metadata(spec: AssetSpec) -> None:
    if not spec.metadata:
        return
    from tidegate.sdk.metadata import metadata_json  # its many classes cost a cold start

    try:
        metadata_json(spec.metadata)
    except InvocationError as error:
        raise DefinitionError(
            f"Asset {str(spec.key)!r}{at(spec.source)}: {error.message}", mend=error.mend
        ) from None


def _places(cycle: list[AssetKey], made: list[AssetsDefinition]) -> str:
    return next((at(one.source) for one in made if cycle[0] in one.keys), "")


def _shown(value: Any) -> str:
    if isinstance(value, OpDefinition):
        return f"op {value.name!r}"
    return f"function {value.__name__!r}" if hasattr(value, "__code__") else repr(value)


def _mend(value: Any) -> str:
    if isinstance(value, OpDefinition):
        return "Call ops in a @job, and list the job in jobs=."
    if isinstance(value, (list, tuple)):
        return "Unpack lists: assets=[*these, *those]."
    return "List what @asset or multi_asset answered, AssetSpec or SourceAsset."
