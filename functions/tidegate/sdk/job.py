"""Jobs: what can be launched by name. A job of ops has steps of its own; a job of assets
materializes a selection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from tidegate.domain.executor import executor_of
from tidegate.errors import DefinitionError, InvocationError, UnknownAssetError
from tidegate.sdk.asset_key import AssetKey, keys_of
from tidegate.sdk.declaration import at, caller_source, check_name, known_arguments, suggestion
from tidegate.sdk.executor import executor_document
from tidegate.sdk.flattening import flatten
from tidegate.sdk.hook import RUN, STEP, HookDefinition, merged_hooks, read_hooks
from tidegate.sdk.retry import RetryPolicy
from tidegate.sdk.run_config import run_config_document
from tidegate.sdk.setting import read_tags
from tidegate.sdk.step import StepDefinition, StepInput

if TYPE_CHECKING:
    from tidegate.domain.partitions.definition import PartitionsDefinition
    from tidegate.sdk.assets_definition import Upstream
    from tidegate.sdk.graph import GraphDefinition
    from tidegate.sdk.run_config import RunConfig


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class JobDefinition:
    """A job whose steps are known. ``tags`` and ``run_config`` are those of runs that are submitted
    without."""

    name: str
    steps: tuple[StepDefinition, ...]
    """Upstream before downstream."""
    asset_keys: tuple[str, ...] | None = None
    """What an asset job materializes, in the order of its steps; None for a job of ops."""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    partitions_def: PartitionsDefinition | None = None
    retry_policy: RetryPolicy | None = None
    """For steps without one of their own."""
    hooks: tuple[HookDefinition, ...] = ()
    """For all of its steps, and for its runs."""
    executor: Mapping[str, Any] | None = None
    """``{"multiprocess": config}`` or ``{"in_process": config}``."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """Resource key -> object: its own (``resource_defs``), and those of the Definitions it was
    taken from."""
    graph: GraphDefinition | None = None
    input_values: Mapping[str, Any] = field(default_factory=dict)
    unfed: tuple[tuple[str, str], ...] = ()
    """(step key, input) that nothing gives a value."""
    upstream: Mapping[AssetKey, Upstream] = field(default_factory=dict)
    """What is known of the assets that its ops load."""
    source: str = ""

    def __repr__(self) -> str:
        return f"JobDefinition({self.name!r})"

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise DefinitionError(
            f"Job {self.name!r} is called{at(caller_source())}; a job is no op.",
            mend="Run it with .execute_in_process(), or make a @graph of it to use it in another.",
        )

    @property
    def max_concurrent(self) -> int | None:
        """How many steps of one run go at once, from ``execution.config`` of the job's config; None
        is no limit."""
        return executor_of(self.executor, self.run_config or {}).max_concurrent

    def step_definitions(self, assets: tuple[str, ...] | None = None) -> list[StepDefinition]:
        """The steps that a run of these assets (None: all of the job) executes, upstream before
        downstream.

        They are those of ``Manifest.steps_of``, in the same order; a source outside of the run is
        left out, and its input keeps the asset it loads.

        Raises:
            UnknownAssetError: an asset is not one of the job's.
            InvocationError: a job of ops is asked for assets; part of what is made at once; an
                input without a value.
        """
        if self.asset_keys is None:
            if assets is not None:
                raise InvocationError(
                    f"Job {self.name!r} is made of ops; it has no assets to select.",
                    mend="Submit it without a selection.",
                )
            self.check_fed(InvocationError)
            return list(self.steps)
        offered = frozenset(self.asset_keys)
        for key in assets or ():
            if key not in offered:
                raise UnknownAssetError(
                    f"Job {self.name!r} does not materialize an asset {key!r}.",
                    mend=f"{suggestion(key, self.asset_keys)}Choose among its assets.",
                )
        return steps_within(self.steps, offered if assets is None else frozenset(assets))

    def check_fed(self, kind: type[DefinitionError | InvocationError]) -> None:
        """Raise when an input of a step has no source, no default and no value."""
        for step, name in self.unfed:
            raise kind(
                f"Input {name!r} of step {step!r} in job {self.name!r}{at(self.source)} "
                "has no value.",
                mend="Connect it, give it a default, or give input_values.",
            )

    def with_input_values(self, values: Mapping[str, Any]) -> JobDefinition:
        """The job with values for inputs of its graph.

        Raises:
            InvocationError: the job has no such input.
        """
        known = self.graph.input_names if self.graph is not None else ()
        for name in values:
            if name not in known:
                raise InvocationError(
                    f"Job {self.name!r} has no input {name!r}.",
                    mend=f"{suggestion(name, known)}Inputs: {', '.join(known) or 'none'}.",
                )
        if self.graph is None or not values:
            return self
        merged = {**self.input_values, **values}
        flat = flatten(self.graph, merged, self.retry_policy)
        steps = _partitioned(flat.steps, self.partitions_def)
        renewed = replace(self, steps=steps, unfed=flat.unfed, input_values=merged)
        return renewed.with_upstream(self.upstream)

    def with_hooks(self, hooks: Iterable[HookDefinition]) -> JobDefinition:
        """The job with these hooks, beside those it has."""
        where = f"Job {self.name!r}{at(caller_source())}"
        return replace(self, hooks=merged_hooks(where, self.hooks, read_hooks(where, hooks)))

    def hooks_of(self, step: StepDefinition) -> tuple[HookDefinition, ...]:
        """What is called after the step: its own hooks, then those of the job, each name once."""
        named = {one.name: one for one in (*self.hooks, *step.hooks) if one.of == STEP}
        return tuple(named[name] for name in sorted(named))

    @property
    def run_hooks(self) -> tuple[HookDefinition, ...]:
        return tuple(one for one in self.hooks if one.of == RUN)

    def with_upstream(self, upstream: Mapping[AssetKey, Upstream]) -> JobDefinition:
        """The job with what is known of the assets that its ops load."""
        steps = tuple(
            replace(step, inputs=tuple(_known(one, upstream) for one in step.inputs))
            if any(one.asset_key in upstream for one in step.inputs)
            else step
            for step in self.steps
        )
        return replace(self, steps=steps, upstream=upstream)

    def execute_in_process(
        self,
        *,
        run_config: RunConfig | Mapping[str, Any] | None = None,
        partition_key: str | None = None,
        raise_on_error: bool = True,
        asset_selection: Sequence[Any] | None = None,
        input_values: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        resources: Mapping[str, Any] | None = None,
        run_id: str | None = None,
    ) -> Any:
        """Run the job in this process, with no deployment, values kept in memory.

        Raises:
            InvocationError, ConfigError, UnknownAssetError, UnknownPartitionError: it cannot be run
            so.
            Exception: whatever a step raised, unless ``raise_on_error=False``.
        """
        from tidegate.execution.in_process import execute_in_process

        chosen = None
        if asset_selection is not None:
            chosen = tuple(str(key) for one in asset_selection for key in keys_of(one))
        return execute_in_process(
            self.with_input_values(input_values or {}),
            run_config=run_config,
            partition_key=partition_key,
            raise_on_error=raise_on_error,
            assets=chosen,
            tags=tags,
            resources=resources,
            run_id=run_id,
        )


@known_arguments
def job_of_graph(
    graph: GraphDefinition,
    /,
    name: str | None = None,
    description: str | None = None,
    config: RunConfig | Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    run_tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    resource_defs: Mapping[str, Any] | None = None,
    executor_def: Any = None,
    op_retry_policy: RetryPolicy | None = None,
    hooks: Iterable[HookDefinition] | None = None,
    partitions_def: PartitionsDefinition | None = None,
    input_values: Mapping[str, Any] | None = None,
) -> JobDefinition:
    """The job that runs a graph."""
    called = check_name("A job", name or graph.name, graph.source)
    where = f"Job {called!r}{at(graph.source)}"
    _check_values(where, graph, input_values or {})
    retry = check_retry(where, op_retry_policy)
    partitions = check_partitions(where, partitions_def)
    flat = flatten(graph, input_values or {}, retry)
    return JobDefinition(
        name=called,
        steps=_partitioned(flat.steps, partitions),
        description=graph.description if description is None else description,
        tags={**graph.tags, **read_tags(where, tags if run_tags is None else run_tags)},
        run_config=run_config_document(config, where),
        metadata=dict(metadata or {}),
        partitions_def=partitions,
        retry_policy=retry,
        hooks=read_hooks(where, hooks),
        executor=executor_document(where, executor_def),
        resources=dict(resource_defs or {}),
        graph=graph,
        input_values=dict(input_values or {}),
        unfed=flat.unfed,
        source=graph.source,
    )


def steps_within(steps: Sequence[StepDefinition], chosen: frozenset[str]) -> list[StepDefinition]:
    """The asset steps that make the chosen assets, cut down to them.

    Raises:
        InvocationError: a step makes all of its assets at once, and only some are chosen.
    """
    kept = []
    for step in steps:
        made = tuple(one for one in step.outputs if str(one.asset_key) in chosen)
        if made and len(made) < len(step.outputs) and not step.can_subset:
            left = ", ".join(str(one.asset_key) for one in step.outputs if one not in made)
            raise InvocationError(
                f"{step.key!r} makes all of its assets at once, and {left} is not selected.",
                mend="Select all of them, or declare can_subset=True.",
            )
        if made:
            kept.append(step if len(made) == len(step.outputs) else replace(step, outputs=made))
    within = {(step.key, one.name) for step in kept for one in step.outputs}
    return [_cut(step, within) for step in kept]


def _cut(step: StepDefinition, within: set[tuple[str, str]]) -> StepDefinition:
    if all(source in within for one in step.inputs for source in one.sources):
        return step
    inputs = tuple(
        replace(one, sources=tuple(source for source in one.sources if source in within))
        for one in step.inputs
    )
    return replace(step, inputs=inputs)


def _check_values(where: str, graph: GraphDefinition, values: Mapping[str, Any]) -> None:
    for key in values:
        if key not in graph.input_names:
            raise DefinitionError(
                f"{where} has input_values for {key!r}, which is no input.",
                mend=f"{suggestion(key, graph.input_names)}Inputs: {', '.join(graph.input_names)}.",
            )


def _partitioned(
    steps: tuple[StepDefinition, ...], partitions: PartitionsDefinition | None
) -> tuple[StepDefinition, ...]:
    """The steps of a job of ops, with the partitions of the job."""
    if partitions is None:
        return steps
    return tuple(replace(step, partitions_def=partitions) for step in steps)


def _known(one: StepInput, upstream: Mapping[AssetKey, Upstream]) -> StepInput:
    found = None if one.asset_key is None else upstream.get(one.asset_key)
    if found is None:
        return one
    return replace(one, upstream=found.output, partitions_def=found.partitions_def)


def check_retry(where: str, policy: Any) -> RetryPolicy | None:
    if policy is None or isinstance(policy, RetryPolicy):
        return policy
    raise DefinitionError(
        f"{where} has op_retry_policy={policy!r}.", mend="Give a RetryPolicy(...)."
    )


def check_partitions(where: str, partitions: Any) -> PartitionsDefinition | None:
    from tidegate.domain.partitions.definition import PartitionsDefinition

    if partitions is None or isinstance(partitions, PartitionsDefinition):
        return partitions
    raise DefinitionError(
        f"{where} has partitions_def={partitions!r}.",
        mend="Give a partitions definition, such as DailyPartitionsDefinition(start_date=...).",
    )
