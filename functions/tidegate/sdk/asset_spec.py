"""What is said about an asset apart from how it is made: its spec, its inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tidegate.errors import DefinitionError
from tidegate.sdk.asset_key import AssetKey, keys_of, prefix_parts
from tidegate.sdk.declaration import at, caller_source, check_name, known_arguments

if TYPE_CHECKING:
    from tidegate.domain.partitions.definition import PartitionsDefinition
    from tidegate.domain.partitions.mapping import PartitionMapping
    from tidegate.sdk.asset_key import CoercibleToAssetDep, CoercibleToAssetKey

DEFAULT_GROUP = "default"
MOST_KINDS = 3
KIND_TAG = "tidegate/kind/"

_TAG_PART = r"[A-Za-z0-9_.-]{1,63}"
_TAG_KEY = re.compile(rf"(?:{_TAG_PART}/)?{_TAG_PART}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
_KIND = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_OWNER = re.compile(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+")


@known_arguments
@dataclass(frozen=True, slots=True)
class AssetDep:
    """An asset that must be there before another, and is not loaded."""

    asset: CoercibleToAssetDep
    partition_mapping: PartitionMapping | None = field(default=None, kw_only=True)
    """Which of its partitions must be there; left out, by the default rules."""

    @property
    def asset_key(self) -> AssetKey:
        keys = keys_of(self.asset)
        if len(keys) != 1:
            raise DefinitionError(
                f"An AssetDep{at(caller_source())} names {len(keys)} assets.",
                mend="Name one asset by its key.",
            )
        return keys[0]


@known_arguments
@dataclass(frozen=True, slots=True)
class AssetIn:
    """What an asset says of one of its arguments: which asset it is, and how it is loaded."""

    key: CoercibleToAssetKey | None = None
    key_prefix: str | Sequence[str] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    input_manager_key: str | None = None
    dagster_type: Any = ...
    partition_mapping: PartitionMapping | None = None
    """Which of its partitions are loaded; left out, by the default rules."""

    def asset_key(self, name: str) -> AssetKey:
        """The key of the asset that the argument ``name`` means."""
        if self.key is None:
            return AssetKey([*prefix_parts(self.key_prefix), name])
        key = AssetKey.from_coercible(self.key)
        return key.with_prefix(self.key_prefix) if self.key_prefix else key


@known_arguments
@dataclass(frozen=True, slots=True, eq=False)
class AssetSpec:
    """A description of an asset. On its own, in ``Definitions``, it is an external asset: others
    may depend on it, and it is never materialized here.

    Raises:
        DefinitionError: an argument makes no sense.
    """

    key: AssetKey
    deps: tuple[AssetKey, ...] = field(default=(), kw_only=True)
    description: str | None = field(default=None, kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    skippable: bool = field(default=False, kw_only=True)
    """Its step may leave it out; what is downstream is then skipped."""
    group_name: str | None = field(default=None, kw_only=True)
    code_version: str | None = field(default=None, kw_only=True)
    owners: Sequence[str] = field(default=(), kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    kinds: Iterable[str] = field(default=(), kw_only=True)
    partitions_def: PartitionsDefinition | None = field(default=None, kw_only=True)
    partition_mappings: Mapping[AssetKey, PartitionMapping] = field(
        default_factory=dict, kw_only=True, repr=False
    )
    """By dep; those that AssetDep says are added."""
    source: str = field(default="", kw_only=True, repr=False)

    if TYPE_CHECKING:  # what may be given is wider than what is kept

        def __init__(
            self,
            key: CoercibleToAssetKey,
            *,
            deps: Iterable[CoercibleToAssetDep] | None = (),
            description: str | None = None,
            metadata: Mapping[str, Any] = ...,
            skippable: bool = False,
            group_name: str | None = None,
            code_version: str | None = None,
            owners: Sequence[str] = (),
            tags: Mapping[str, str] = ...,
            kinds: Iterable[str] = (),
            partitions_def: PartitionsDefinition | None = None,
            partition_mappings: Mapping[AssetKey, PartitionMapping] = ...,
            source: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        source = self.source or caller_source()
        key = AssetKey.from_coercible(self.key)
        where = f"Asset {str(key)!r}{at(source)}"
        tags, kinds = _tags_and_kinds(where, self.tags, self.kinds)
        if self.group_name is not None:
            check_name(f"The group of {where}", self.group_name, "", may_be_keyword=True)
        if not isinstance(self.metadata, Mapping):
            raise DefinitionError(
                f"{where} has metadata={self.metadata!r}.", mend="Give a mapping."
            )
        _check_partitions(where, self.partitions_def)
        for name, value in {
            "key": key,
            "deps": read_deps(where, self.deps),
            "partition_mappings": {**self.partition_mappings, **read_mappings(where, self.deps)},
            "metadata": dict(self.metadata),
            "owners": _owners(where, self.owners),
            "tags": tags,
            "kinds": kinds,
            "source": source,
        }.items():
            object.__setattr__(self, name, value)

    @property
    def keys(self) -> tuple[AssetKey, ...]:
        return (self.key,)

    @property
    def group(self) -> str:
        return self.group_name or DEFAULT_GROUP

    def replace_attributes(self, **changes: Any) -> AssetSpec:
        """The spec with other attributes; what is not named stays."""
        return replace(self, **changes)

    def merge_attributes(
        self,
        *,
        deps: Sequence[Any] = (),
        metadata: Mapping[str, Any] | None = None,
        owners: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        kinds: Iterable[str] = (),
    ) -> AssetSpec:
        """The spec with more deps, metadata, owners, tags and kinds."""
        return replace(
            self,
            deps=tuple(dict.fromkeys((*self.deps, *read_deps(f"Asset {str(self.key)!r}", deps)))),
            metadata={**self.metadata, **(metadata or {})},
            owners=[*self.owners, *owners],
            tags={**self.tags, **(tags or {})},
            kinds=[*self.kinds, *kinds],
        )


@known_arguments
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AssetOut:
    """One output of a ``multi_asset``; the key is its name when none is given."""

    key: CoercibleToAssetKey | None = None
    key_prefix: str | Sequence[str] | None = None
    dagster_type: Any = ...
    description: str | None = None
    is_required: bool = True
    io_manager_key: str = "io_manager"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    group_name: str | None = None
    code_version: str | None = None
    owners: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    kinds: Iterable[str] = ()

    def asset_key(self, name: str) -> AssetKey:
        if self.key is None:
            return AssetKey([*prefix_parts(self.key_prefix), name])
        return AssetKey.from_coercible(self.key)


@known_arguments
@dataclass(frozen=True, slots=True, eq=False)
class SourceAsset:
    """An asset that is made elsewhere; as ``AssetSpec``, with the IO manager that loads it."""

    key: AssetKey
    metadata: Mapping[str, Any] = field(default_factory=dict)
    io_manager_key: str = "io_manager"
    description: str | None = None
    partitions_def: PartitionsDefinition | None = None
    group_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = field(default="", kw_only=True, repr=False)

    if TYPE_CHECKING:  # what may be given is wider than what is kept

        def __init__(
            self,
            key: CoercibleToAssetKey,
            metadata: Mapping[str, Any] = ...,
            io_manager_key: str = "io_manager",
            description: str | None = None,
            partitions_def: PartitionsDefinition | None = None,
            group_name: str | None = None,
            tags: Mapping[str, str] = ...,
            *,
            source: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", self.source or caller_source())
        object.__setattr__(self, "key", AssetKey.from_coercible(self.key))
        self.to_spec()

    @property
    def keys(self) -> tuple[AssetKey, ...]:
        return (self.key,)

    def to_spec(self) -> AssetSpec:
        return AssetSpec(
            self.key,
            metadata=self.metadata,
            description=self.description,
            partitions_def=self.partitions_def,
            group_name=self.group_name,
            tags=self.tags,
            source=self.source,
        )


def read_deps(where: str, deps: Any) -> tuple[AssetKey, ...]:
    """Keys of a ``deps=`` argument, each once, in order.

    Raises:
        DefinitionError: it is not a list of things that name assets, or names one twice.
    """
    if deps is None:
        return ()
    if isinstance(deps, (str, AssetKey, Mapping)) or not isinstance(deps, Iterable):
        raise DefinitionError(f"{where} has deps={deps!r}.", mend='Give a list, such as ["raw"].')
    found: dict[AssetKey, None] = {}
    for one in deps:
        try:
            keys = (one.asset_key,) if isinstance(one, AssetDep) else keys_of(one)
        except DefinitionError as error:
            raise DefinitionError(f"{where}: {error.message}", mend=error.mend) from None
        for key in keys:
            if key in found:
                raise DefinitionError(
                    f"{where} names {str(key)!r} twice in deps.", mend="Once will do."
                )
            found[key] = None
    return tuple(found)


def read_mappings(where: str, deps: Any) -> dict[AssetKey, PartitionMapping]:
    """The partition mappings that a ``deps=`` argument names, by key."""
    found = {}
    for one in deps or ():
        if isinstance(one, AssetDep) and one.partition_mapping is not None:
            check_mapping(where, one.asset_key, one.partition_mapping)
            found[one.asset_key] = one.partition_mapping
    return found


def check_mapping(where: str, key: AssetKey, mapping: Any) -> None:
    from tidegate.domain.partitions.mapping import PartitionMapping

    if not isinstance(mapping, PartitionMapping):
        raise DefinitionError(
            f"{where} has partition_mapping={mapping!r} of {str(key)!r}.",
            mend="Give a mapping, such as TimeWindowPartitionMapping(start_offset=-1, end_offset=-1).",
        )


def _tags_and_kinds(where: str, tags: Any, kinds: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    if not isinstance(tags, Mapping):
        raise DefinitionError(f"{where} has tags={tags!r}.", mend='Give {"team": "data"}.')
    if isinstance(kinds, str) or not isinstance(kinds, Iterable):
        raise DefinitionError(f"{where} has kinds={kinds!r}.", mend='Give {"python"}.')
    found, named = (
        {},
        dict.fromkeys(kinds if not isinstance(kinds, (set, frozenset)) else sorted(kinds)),
    )
    for key, value in tags.items():
        name = f"tidegate/{key[8:]}" if str(key).startswith("dagster/") else key
        if str(name).startswith(KIND_TAG):
            named[name.removeprefix(KIND_TAG)] = None
            continue
        if not isinstance(key, str) or not _TAG_KEY.fullmatch(key):
            raise DefinitionError(
                f"{where} has the tag {key!r}.",
                mend="Use up to 63 letters, digits, `_`, `-`, `.`, after an optional `namespace/`.",
            )
        if not isinstance(value, str) or not _TAG_VALUE.fullmatch(value):
            raise DefinitionError(
                f"{where} has the tag {key!r} with the value {value!r}.",
                mend="A value is up to 63 letters, digits, `_`, `-`, `.`.",
            )
        found[name] = value
    for kind in named:
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            raise DefinitionError(
                f"{where} has the kind {kind!r}.", mend="Use letters, digits, `_`, `-`, `.`."
            )
    if len(named) > MOST_KINDS:
        raise DefinitionError(
            f"{where} has {len(named)} kinds.", mend=f"Give {MOST_KINDS} at most."
        )
    return found, tuple(named)


def _owners(where: str, owners: Any) -> tuple[str, ...]:
    if isinstance(owners, str) or not isinstance(owners, Iterable):
        raise DefinitionError(f"{where} has owners={owners!r}.", mend='Give ["team:data"].')
    found = tuple(dict.fromkeys(owners))
    for owner in found:
        if not isinstance(owner, str) or not _OWNER.fullmatch(owner):
            raise DefinitionError(
                f"{where} has the owner {owner!r}.", mend="Give an e-mail address or `team:name`."
            )
    return found


def _check_partitions(where: str, partitions: Any) -> None:
    from tidegate.domain.partitions.definition import PartitionsDefinition

    if partitions is not None and not isinstance(partitions, PartitionsDefinition):
        raise DefinitionError(
            f"{where} has partitions_def={partitions!r}.",
            mend="Give a partitions definition, such as DailyPartitionsDefinition(start_date=...).",
        )
