"""Graphs and jobs of ops: their bodies are run once, with handles instead of values, to see who
calls whom."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from tidegate.errors import DefinitionError
from tidegate.sdk.composition import (
    AnyOutput,
    GraphInput,
    InvokedDynamicOutput,
    InvokedOutput,
    InvokedOutputs,
    Node,
    PendingInvocation,
    building,
    current_builder,
)
from tidegate.sdk.declaration import at, check_name, function_source, known_arguments
from tidegate.sdk.hook import HookDefinition
from tidegate.sdk.op import describe
from tidegate.sdk.setting import read_tags

if TYPE_CHECKING:
    from tidegate.domain.partitions.definition import PartitionsDefinition
    from tidegate.sdk.executor import ExecutorDefinition
    from tidegate.sdk.job import JobDefinition
    from tidegate.sdk.retry import RetryPolicy
    from tidegate.sdk.run_config import RunConfig


@known_arguments
@dataclass(frozen=True, slots=True)
class GraphIn:
    """What a graph says of one input."""

    description: str = ""


@known_arguments
@dataclass(frozen=True, slots=True)
class GraphOut:
    """What a graph says of one output."""

    description: str = ""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GraphDefinition:
    """Ops, and graphs, that feed each other. Called in the body of another graph it becomes a node
    of that one."""

    name: str
    input_names: tuple[str, ...]
    nodes: tuple[Node, ...]
    """In the order of the calls: upstream before downstream."""
    outputs: Mapping[str, AnyOutput]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    source: str = ""

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.outputs)

    @property
    def dynamic_outputs(self) -> frozenset[str]:
        """Names of outputs of any number of values."""
        return frozenset(
            name for name, one in self.outputs.items() if isinstance(one, InvokedDynamicOutput)
        )

    @property
    def __name__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"GraphDefinition({self.name!r})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        builder = current_builder()
        if builder is None:
            raise DefinitionError(
                f"Graph {self.name!r} is called outside of a graph.",
                mend="Run it with .execute_in_process(), or call it in a @graph or @job.",
            )
        return builder.add(PendingInvocation(definition=self), args, kwargs)

    def alias(self, name: str) -> PendingInvocation:
        """The graph under another name, to be called in a graph."""
        return PendingInvocation(definition=self).alias(name)

    def tag(self, tags: Mapping[str, Any]) -> PendingInvocation:
        """The graph with tags for all of its steps, to be called in a graph."""
        return PendingInvocation(definition=self).tag(tags)

    def with_hooks(self, hooks: Iterable[HookDefinition]) -> PendingInvocation:
        """The graph with hooks for all of its steps, to be called in a graph."""
        return PendingInvocation(definition=self).with_hooks(hooks)

    def to_job(self, **arguments: Unpack[JobArguments]) -> JobDefinition:
        """A job that runs the graph; arguments as of ``@job``, ``name`` by default that of the
        graph."""
        from tidegate.sdk.job import job_of_graph

        return job_of_graph(self, **arguments)

    def execute_in_process(
        self, *, input_values: Mapping[str, Any] | None = None, **how: Any
    ) -> Any:
        """Run the graph in this process, with no deployment. Arguments as of
        ``JobDefinition.execute_in_process``."""
        return self.to_job().execute_in_process(input_values=input_values, **how)


class GraphArguments(TypedDict, total=False):
    """Arguments of ``@graph``."""

    name: str | None
    description: str | None
    ins: Mapping[str, GraphIn] | None
    out: GraphOut | Mapping[str, GraphOut] | None
    tags: Mapping[str, Any] | None


class JobArguments(TypedDict, total=False):
    """Arguments of ``@job`` and ``GraphDefinition.to_job``."""

    name: str | None
    description: str | None
    config: RunConfig | Mapping[str, Any] | None
    tags: Mapping[str, Any] | None
    run_tags: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None
    resource_defs: Mapping[str, Any] | None
    executor_def: ExecutorDefinition | None
    op_retry_policy: RetryPolicy | None
    hooks: Iterable[HookDefinition] | None
    partitions_def: PartitionsDefinition | None
    input_values: Mapping[str, Any] | None


@overload
def graph(compose_fn: Callable[..., Any], /) -> GraphDefinition: ...
@overload
def graph(
    compose_fn: None = None, /, **arguments: Unpack[GraphArguments]
) -> Callable[[Callable[..., Any]], GraphDefinition]: ...
@known_arguments
def graph(
    compose_fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    ins: Mapping[str, GraphIn] | None = None,
    out: GraphOut | Mapping[str, GraphOut] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Any:
    """Make a function that calls ops a graph. Its parameters are the inputs; it returns the output,
    or several by name.

    Raises:
        DefinitionError: the body works on values, or returns something that no op made.
    """

    def declare(function: Callable[..., Any]) -> GraphDefinition:
        return compose(function, "Graph", name, description, ins, out, tags)

    return declare if compose_fn is None else declare(compose_fn)


@overload
def job(compose_fn: Callable[..., Any], /) -> JobDefinition: ...
@overload
def job(
    compose_fn: None = None, /, **arguments: Unpack[JobArguments]
) -> Callable[[Callable[..., Any]], JobDefinition]: ...
@known_arguments
def job(
    compose_fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    config: RunConfig | Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    run_tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    resource_defs: Mapping[str, Any] | None = None,
    executor_def: ExecutorDefinition | None = None,
    op_retry_policy: RetryPolicy | None = None,
    hooks: Iterable[HookDefinition] | None = None,
    partitions_def: PartitionsDefinition | None = None,
    input_values: Mapping[str, Any] | None = None,
) -> Any:
    """Make a function that calls ops a job.

    Args:
        config: Run config of runs that are submitted without any.
        tags: Tags of its runs; with ``run_tags`` given, only those are.
        executor_def: How many of its steps run at once in one run.
        op_retry_policy: For steps whose op and call have none.
        hooks: Called after its steps and runs.
        input_values: Values for the job's own parameters.

    Raises:
        DefinitionError: the body works on values, or an argument makes no sense.
    """

    def declare(function: Callable[..., Any]) -> JobDefinition:
        composed = compose(function, "Job", name, description, None, None, None)
        return composed.to_job(
            config=config,
            tags=tags,
            run_tags=run_tags,
            metadata=metadata,
            resource_defs=resource_defs,
            executor_def=executor_def,
            op_retry_policy=op_retry_policy,
            hooks=hooks,
            partitions_def=partitions_def,
            input_values=input_values,
        )

    return declare if compose_fn is None else declare(compose_fn)


def compose(
    function: Any, kind: str, name: Any, description: Any, ins: Any, out: Any, tags: Any
) -> GraphDefinition:
    """Run the body of a graph or job and keep what it called."""
    source = function_source(function)
    if not callable(function) or isinstance(function, type):
        raise DefinitionError(
            f"{kind}{at(source)} is not a function: {function!r}.", mend="Decorate a function."
        )
    called = check_name(f"A {kind.lower()}", name or getattr(function, "__name__", ""), source)
    where = f"{kind} {called!r}{at(source)}"
    parameters = inspect.signature(function).parameters
    for one in parameters.values():
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise DefinitionError(
                f"{where} has the parameter {one.name!r}.",
                mend="Give each input a name of its own.",
            )
    for key in ins or {}:
        if key not in parameters:
            raise DefinitionError(
                f"{where} says ins of {key!r}, which is no parameter.", mend="Add it, or drop it."
            )
    with building(called) as builder:
        returned = function(**{key: GraphInput(called, key) for key in parameters})
    return GraphDefinition(
        name=called,
        input_names=tuple(parameters),
        nodes=tuple(builder.nodes.values()),
        outputs=_outputs(where, kind, returned, out),
        defaults={k: v.default for k, v in parameters.items() if v.default is not v.empty},
        tags=read_tags(where, tags),
        description=describe(function, description),
        source=source,
    )


def _outputs(where: str, kind: str, returned: Any, out: Any) -> dict[str, AnyOutput]:
    names = tuple(out) if isinstance(out, Mapping) else None
    if isinstance(returned, Mapping):
        found = dict(returned)
    elif isinstance(returned, InvokedOutputs) and names is None:
        found = dict(zip(returned.names, returned, strict=True))
    elif isinstance(returned, tuple) and names is not None and len(returned) == len(names):
        found = dict(zip(names, returned, strict=True))
    else:
        found = (
            {}
            if returned is None
            else {names[0] if names and len(names) == 1 else "result": returned}
        )
    for name, value in found.items():
        check_name(f"An output of {where}", name, "")
        if not isinstance(value, (InvokedOutput, InvokedDynamicOutput)):
            raise DefinitionError(
                f"{where} returns {value!r} as {name!r}, which no op made.",
                mend="Return the output of an op, or a mapping from names to outputs.",
            )
    wanted = names if names is not None else (("result",) if out is not None else None)
    if wanted is not None and set(wanted) != set(found):
        raise DefinitionError(
            f"{where} declares the outputs {', '.join(wanted) or 'none'} and returns "
            f"{', '.join(found) or 'none'}.",
            mend="Return a mapping with exactly the declared names.",
        )
    return found
