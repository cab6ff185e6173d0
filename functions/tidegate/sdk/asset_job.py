"""Jobs that materialize a selection of assets, as they are declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, caller_source, check_name, known_arguments
from tidegate.sdk.executor import executor_document
from tidegate.sdk.hook import HookDefinition, read_hooks
from tidegate.sdk.job import check_partitions, check_retry
from tidegate.sdk.retry import RetryPolicy
from tidegate.sdk.run_config import run_config_document
from tidegate.sdk.selection import AssetSelection
from tidegate.sdk.setting import read_tags

if TYPE_CHECKING:
    from tidegate.domain.partitions.definition import PartitionsDefinition
    from tidegate.sdk.executor import ExecutorDefinition
    from tidegate.sdk.run_config import RunConfig
    from tidegate.sdk.selection import CoercibleToAssetSelection


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class UnresolvedAssetJobDefinition:
    """What ``define_asset_job`` answers: a job that gets its steps when it is put into
    ``Definitions``."""

    name: str
    selection: Any
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    partitions_def: PartitionsDefinition | None = None
    retry_policy: RetryPolicy | None = None
    hooks: tuple[HookDefinition, ...] = ()
    executor: Mapping[str, Any] | None = None
    source: str = ""

    def __repr__(self) -> str:
        return f"UnresolvedAssetJobDefinition({self.name!r})"


@known_arguments
def define_asset_job(
    name: str,
    selection: CoercibleToAssetSelection | None = None,
    config: RunConfig | Mapping[str, Any] | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    run_tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    partitions_def: PartitionsDefinition | None = None,
    op_retry_policy: RetryPolicy | None = None,
    executor_def: ExecutorDefinition | None = None,
    hooks: Iterable[HookDefinition] | None = None,
) -> UnresolvedAssetJobDefinition:
    """A job that materializes the selected assets; all of them when there is no selection.

    Args:
        selection: An AssetSelection, a string such as ``"group:weather"``, or a list of assets,
            keys and strings.
        tags: Tags of its runs; with ``run_tags`` given, only those are.

    Raises:
        DefinitionError: an argument makes no sense. The selection is checked when ``Definitions``
            is built.
    """
    source = caller_source()
    check_name("An asset job", name, source)
    where = f"Asset job {name!r}{at(source)}"
    try:
        wanted = AssetSelection.all() if selection is None else selection
        chosen = AssetSelection.from_coercible(wanted)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error.message}", mend=error.mend) from None
    return UnresolvedAssetJobDefinition(
        name=name,
        selection=chosen,
        description=description or "",
        tags=read_tags(where, tags if run_tags is None else run_tags),
        run_config=run_config_document(config, where),
        metadata=dict(metadata or {}),
        partitions_def=check_partitions(where, partitions_def),
        retry_policy=check_retry(where, op_retry_policy),
        hooks=read_hooks(where, hooks),
        executor=executor_document(where, executor_def),
        source=source,
    )
