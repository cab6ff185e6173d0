"""Runs a whole job in this process: for tests, notebooks and scripts. No deployment is needed."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.domain.executor import executor_of
from tidegate.domain.run import canonical_tags
from tidegate.domain.task import Invocation
from tidegate.errors import InvocationError, UnknownPartitionError
from tidegate.execution.hook import HooksInProcess
from tidegate.execution.io_filesystem import FilesystemIOManager
from tidegate.execution.io_memory import InMemoryIOManager
from tidegate.execution.resources import ResourceScope
from tidegate.execution.result import ExecuteInProcessResult, StepResult
from tidegate.execution.step import Surroundings, utc_now
from tidegate.execution.step_config import check_run_config
from tidegate.execution.step_partitions import dynamic_keys, range_of
from tidegate.execution.walk import Walk
from tidegate.sdk.io import DEFAULT_IO_MANAGER
from tidegate.sdk.run_config import run_config_document
from tidegate.sdk.step import StepDefinition

if TYPE_CHECKING:
    from tidegate.domain.partitions.definition import PartitionKeyRange
    from tidegate.sdk.job import JobDefinition
    from tidegate.sdk.run_config import RunConfig


def execute_in_process(
    job: JobDefinition,
    *,
    run_config: RunConfig | Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    raise_on_error: bool = True,
    assets: tuple[str, ...] | None = None,
    tags: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    now: Callable[[], datetime] = utc_now,
) -> ExecuteInProcessResult:
    """Run the job's steps one after the other, upstream first, with values kept in memory.

    A failed step does not stop branches that do not need it, unless ``raise_on_error``: then the first failure is
    raised, as the step raised it.

    Args:
        assets: Keys of the assets to materialize; None means all of the job.
        resources: Key -> resource, in place of those of the job.

    Raises:
        ConfigError, InvocationError, UnknownPartitionError: the job cannot be run so; nothing is run.
    """
    steps = job.step_definitions(assets)
    given = run_config_document(run_config, f"Job {job.name!r}")
    config = (job.run_config if given is None else given) or {}
    executor = executor_of(job.executor, config)
    merged = {DEFAULT_IO_MANAGER: InMemoryIOManager(), **job.resources, **(resources or {})}
    check_run_config(config, [step.key for step in steps], merged)
    merged_tags = canonical_tags({**job.tags, **(tags or {})})
    _check_partition(job, steps, partition_key, range_of(merged_tags), now())
    base = Invocation(
        run_id=run_id or str(uuid.uuid4()),
        job=job.name,
        step="",
        index=0,
        assets=assets,
        partition_key=partition_key,
        run_config=dict(config),
        tags=merged_tags,
    )
    with ResourceScope(
        merged, run_config=base.run_config, run_id=base.run_id, run_tags=base.tags
    ) as scope:
        around = Surroundings(
            steps={step.key: step for step in steps}, resources=merged, now=now, scope=scope
        )
        walk = Walk(steps, base, around, retries=executor.retries)
        results = list(_run_all(walk, HooksInProcess(job, base, around), raise_on_error))
    mapped = frozenset(step.key for step in steps if step.mapped_over is not None)
    return ExecuteInProcessResult(base, results, _graph_outputs(job), mapped)


def materialize(
    assets: Sequence[Any],
    *,
    run_config: RunConfig | Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    raise_on_error: bool = True,
    tags: Mapping[str, Any] | None = None,
    selection: Any = None,
) -> ExecuteInProcessResult:
    """Materialize assets in this process. Values are kept as files: in ``$TIDEGATE_HOME/storage`` if that is set, else in
    a temporary folder for the time of the run.

    Args:
        assets: All assets concerned; those declared with AssetSpec or SourceAsset are loaded, not made.
        selection: Which of them to make: a selection, text such as ``"+report"``, or keys. None means all.

    Raises:
        DefinitionError, ConfigError, InvocationError, UnknownPartitionError: nothing is run.
        Exception: whatever an asset raised, unless ``raise_on_error=False``.
    """
    with _storage(resources) as manager:
        return _materialize(
            assets,
            selection,
            {DEFAULT_IO_MANAGER: manager, **(resources or {})},
            run_config=run_config,
            partition_key=partition_key,
            raise_on_error=raise_on_error,
            tags=tags,
        )


def materialize_to_memory(
    assets: Sequence[Any],
    *,
    run_config: RunConfig | Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    raise_on_error: bool = True,
    tags: Mapping[str, Any] | None = None,
    selection: Any = None,
) -> ExecuteInProcessResult:
    """Materialize assets in this process, with values kept in memory whatever IO managers the assets name. As
    ``materialize`` otherwise."""
    memory = InMemoryIOManager()
    keys = {output.io_manager_key for one in assets for output in getattr(one, "outputs", ())} | {
        getattr(one, "io_manager_key", DEFAULT_IO_MANAGER) for one in assets
    }
    given = {**dict.fromkeys(keys, memory), DEFAULT_IO_MANAGER: memory, **(resources or {})}
    return _materialize(
        assets,
        selection,
        given,
        run_config=run_config,
        partition_key=partition_key,
        raise_on_error=raise_on_error,
        tags=tags,
    )


def _materialize(
    assets: Sequence[Any], selection: Any, resources: Mapping[str, Any], **how: Any
) -> ExecuteInProcessResult:
    from tidegate.sdk.definitions import Definitions

    defs = Definitions(assets=assets, resources=resources)
    if not defs.asset_steps:
        raise InvocationError("There is no asset to make.", mend="Give what @asset made.")
    chosen = None
    if selection is not None:
        from tidegate.sdk.selection import AssetSelection

        found = AssetSelection.from_coercible(selection).materializable()
        chosen = tuple(sorted(found.selection.keys(defs.asset_graph)))
    return execute_in_process(defs.resolve_implicit_global_asset_job_def(), assets=chosen, **how)


@contextlib.contextmanager
def _storage(resources: Mapping[str, Any] | None) -> Iterator[FilesystemIOManager]:
    home = os.environ.get("TIDEGATE_HOME")
    if home or DEFAULT_IO_MANAGER in (resources or {}):
        yield FilesystemIOManager(Path(home or "") / "storage")
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        yield FilesystemIOManager(folder)


def _check_partition(
    job: JobDefinition,
    steps: Sequence[StepDefinition],
    partition_key: str | None,
    key_range: PartitionKeyRange | None,
    now: datetime,
) -> None:
    found = [step.partitions_def for step in steps if step.partitions_def is not None]
    partitions = job.partitions_def or next(iter(found), None)
    if any(one != partitions for one in found):
        raise InvocationError(
            f"Job {job.name!r} was asked for assets of different partitions.",
            mend="Select those that share their partitions.",
        )
    if partitions is None:
        if partition_key is not None:
            raise UnknownPartitionError(
                f"Job {job.name!r} has no partitions, and was given {partition_key!r}.",
                mend="Leave partition_key out.",
            )
        return
    if (partition_key is None) == (key_range is None):
        raise InvocationError(
            f"Job {job.name!r} is partitioned.",
            mend="Give partition_key=..., one of its keys, or the two tags of a range.",
        )
    if partition_key is not None:
        known = dynamic_keys(partitions, partition_key)
        partitions.validate_partition_key(partition_key, now, known)
    elif key_range is not None:
        partitions.subset_of_range(key_range, now)


def _run_all(walk: Walk, hooks: HooksInProcess, raise_on_error: bool) -> Iterator[StepResult]:
    failure: BaseException | None = None
    for result in walk.run():
        error = result.error
        if result.report is None:
            yield result
            continue
        yield replace(result, hooks=hooks.after_step(result.step, result.key, error))
        failure = failure or error
        if error is not None and (raise_on_error or isinstance(error, KeyboardInterrupt)):
            hooks.after_run(error)
            raise error
    hooks.after_run(failure)


def _graph_outputs(job: JobDefinition) -> Mapping[str, tuple[str, str]]:
    """Output of the job's graph -> (step key, output) that makes it."""
    found: dict[str, tuple[str, str]] = {}
    for name, end in (job.graph.outputs if job.graph is not None else {}).items():
        key, output, graph = end.node, end.output, job.graph
        while graph is not None:
            node = next(one for one in graph.nodes if one.name == key.rpartition(".")[2])
            inner = getattr(node.definition, "outputs", None)
            if not isinstance(inner, Mapping):
                break
            graph = node.definition  # type: ignore[assignment]
            key, output = f"{key}.{inner[output].node}", inner[output].output
        found[name] = (key, output)
    return found
