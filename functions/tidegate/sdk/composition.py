"""What happens while the body of a graph or job runs: calls of ops become nodes, and their values
handles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from tidegate.errors import DefinitionError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.declaration import at, caller_source, check_name, suggestion
from tidegate.sdk.hook import HookDefinition, merged_hooks, step_hooks
from tidegate.sdk.retry import RetryPolicy
from tidegate.sdk.setting import read_tags

if TYPE_CHECKING:
    from tidegate.sdk.graph import GraphDefinition
    from tidegate.sdk.op import OpDefinition

    NodeDefinition: TypeAlias = OpDefinition | GraphDefinition


@dataclass(frozen=True, slots=True)
class GraphInput:
    """Stands for a parameter of the graph while its body runs."""

    graph: str
    name: str

    def __iter__(self) -> NoReturn:
        _not_a_value(f"input {self.name!r} of graph {self.graph!r}")

    def __bool__(self) -> bool:  # noqa: PLE0304  (it never returns)
        _not_a_value(f"input {self.name!r} of graph {self.graph!r}")


@dataclass(frozen=True, slots=True, eq=False)
class InvokedOutput:
    """Stands for an output of a node while the body of a graph runs: it can be passed to other ops,
    and nothing else."""

    node: str
    output: str
    builder: GraphBuilder = field(repr=False)

    def __iter__(self) -> NoReturn:
        _not_a_value(f"output {self.output!r} of {self.node!r}")

    def __getitem__(self, index: Any) -> NoReturn:
        _not_a_value(f"output {self.output!r} of {self.node!r}")

    def __bool__(self) -> bool:  # noqa: PLE0304  (it never returns)
        _not_a_value(f"output {self.output!r} of {self.node!r}")


@dataclass(frozen=True, slots=True, eq=False)
class InvokedDynamicOutput:
    """Stands for an output of any number of values while the body of a graph runs: what follows is
    mapped over it, or gets all of it as one list."""

    node: str
    output: str
    builder: GraphBuilder = field(repr=False)

    def map(self, fn: Callable[[InvokedOutput], Any]) -> Any:
        """Call ops on one value; each is a step for each of the values. Answers what ``fn`` does,
        to be mapped or collected in turn.

        Raises:
            DefinitionError: ``fn`` answers something that no op made.
        """
        source = caller_source()
        answered = fn(InvokedOutput(self.node, self.output, self.builder))
        if isinstance(answered, InvokedOutputs):
            several = InvokedOutputs(_mapped(one, self, source) for one in answered)
            several.names = answered.names
            return several
        if isinstance(answered, tuple):
            return tuple(_mapped(one, self, source) for one in answered)
        return None if answered is None else _mapped(answered, self, source)

    def collect(self) -> Collected:
        """All values, as a list in the order in which they were yielded."""
        return Collected(InvokedOutput(self.node, self.output, self.builder))

    def __iter__(self) -> NoReturn:
        _not_a_value(f"dynamic output {self.output!r} of {self.node!r}")

    def __getitem__(self, index: Any) -> NoReturn:
        _not_a_value(f"dynamic output {self.output!r} of {self.node!r}")

    def __bool__(self) -> bool:  # noqa: PLE0304  (it never returns)
        _not_a_value(f"dynamic output {self.output!r} of {self.node!r}")


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """All values of a dynamic output, or of what was mapped over it."""

    source: InvokedOutput


def _mapped(answered: Any, over: InvokedDynamicOutput, source: str) -> InvokedDynamicOutput:
    if isinstance(answered, InvokedDynamicOutput):
        return answered
    if isinstance(answered, InvokedOutput):
        return InvokedDynamicOutput(answered.node, answered.output, answered.builder)
    raise DefinitionError(
        f"What is mapped over output {over.output!r} of {over.node!r}{at(source)} answers {answered!r}.",
        mend="Answer the output of an op, or several as a tuple.",
    )


AnyOutput: TypeAlias = InvokedOutput | InvokedDynamicOutput


class InvokedOutputs(tuple[AnyOutput, ...]):
    """The outputs of a node that has several, by place and by name."""

    names: tuple[str, ...]

    def __getattr__(self, name: str) -> AnyOutput:
        if name != "names" and name in self.names:
            return self[self.names.index(name)]
        raise AttributeError(name)


Source: TypeAlias = InvokedOutput | GraphInput | AssetKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One call of an op or graph inside a graph."""

    name: str
    definition: NodeDefinition
    inputs: Mapping[str, tuple[Source, ...]]
    fan_in: frozenset[str] = frozenset()
    collects: frozenset[str] = frozenset()
    """Inputs that get all values of a mapped or dynamic output."""
    tags: Mapping[str, str] = field(default_factory=dict)
    retry_policy: RetryPolicy | None = None
    hooks: tuple[HookDefinition, ...] = ()
    source: str = ""


class GraphBuilder:
    """The nodes of the graph whose body runs now, in the order of their calls."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {}
        self._calls: dict[str, int] = {}

    def add(self, call: PendingInvocation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        definition, source = call.definition, caller_source()
        name = call.given_name or self._free_name(definition)
        label = f"{name!r} in {self.name!r}{at(source)}"
        if name in self.nodes:
            raise DefinitionError(
                f"There are two {label}.", mend="Give one of them another name with .alias()."
            )
        inputs, fan_in, collects = {}, set(), set()
        for key, value in _by_name(label, definition, args, kwargs).items():
            if isinstance(value, Collected):
                collects.add(key)
                value = value.source
            inputs[key] = self._sources(label, key, value)
            if isinstance(value, (list, tuple)):
                fan_in.add(key)
        self.nodes[name] = Node(
            name=name,
            definition=definition,
            inputs=inputs,
            fan_in=frozenset(fan_in),
            collects=frozenset(collects),
            tags=call.tags,
            retry_policy=call.retry_policy,
            hooks=call.hooks,
            source=source,
        )
        return self._outputs(name, definition)

    def _free_name(self, definition: NodeDefinition) -> str:
        """The name of the definition, with a number from the second call on."""
        name, first = definition.name, self.nodes.get(definition.name)
        if first is None:
            return name
        if first.definition is not definition:
            return name  # another op of the name, which is refused
        number = self._calls.get(name, 1) + 1
        while f"{name}_{number}" in self.nodes:
            number += 1
        self._calls[name] = number
        return f"{name}_{number}"

    def _outputs(self, node: str, definition: NodeDefinition) -> Any:
        names, dynamic = definition.output_names, definition.dynamic_outputs
        handles = [
            (InvokedDynamicOutput if name in dynamic else InvokedOutput)(node, name, self)
            for name in names
        ]
        if len(handles) == 1:
            return handles[0]
        if not handles:
            return None
        several = InvokedOutputs(handles)
        several.names = names
        return several

    def _sources(self, label: str, name: str, value: Any) -> tuple[Source, ...]:
        several = isinstance(value, (list, tuple)) and not isinstance(value, InvokedOutputs)
        return tuple(self._source(label, name, one) for one in (value if several else (value,)))

    def _source(self, label: str, name: str, value: Any) -> Source:
        if isinstance(value, InvokedOutput):
            if value.builder is not self:
                raise DefinitionError(
                    f"Input {name!r} of {label} is an output of another graph.",
                    mend="Pass it through an input of this graph.",
                )
            return value
        if isinstance(value, (GraphInput, AssetKey)):
            return value
        if isinstance(value, InvokedDynamicOutput):
            raise DefinitionError(
                f"Input {name!r} of {label} got the dynamic output {value.output!r} of {value.node!r}.",
                mend="Map over it with .map(...), or pass all of it with .collect().",
            )
        if isinstance(value, Collected):
            raise DefinitionError(
                f"Input {name!r} of {label} got a collected list within a list.",
                mend="Pass it as an input of its own.",
            )
        if isinstance(value, InvokedOutputs):
            raise DefinitionError(
                f"Input {name!r} of {label} got all outputs of {value[0].node!r} at once.",
                mend=f"Pass one of them: {', '.join(value.names)}.",
            )
        key = getattr(value, "key", None)
        if isinstance(key, AssetKey):
            return key
        raise DefinitionError(
            f"Input {name!r} of {label} got {value!r}; the body of a graph runs before there are "
            "values.",
            mend="Pass the output of an op; give constants by config or In(default_value=...).",
        )


_building: ContextVar[tuple[GraphBuilder, ...]] = ContextVar("tidegate_building", default=())


def current_builder() -> GraphBuilder | None:
    """The graph whose body is running, if any."""
    stack = _building.get()
    return stack[-1] if stack else None


@contextmanager
def building(name: str) -> Iterator[GraphBuilder]:
    builder = GraphBuilder(name)
    token = _building.set((*_building.get(), builder))
    try:
        yield builder
    finally:
        _building.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInvocation:
    """An op or graph about to be called in a graph, with a name, tags or retries of its own."""

    definition: NodeDefinition
    given_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    retry_policy: RetryPolicy | None = None
    hooks: tuple[HookDefinition, ...] = ()

    def alias(self, name: str) -> PendingInvocation:
        """Name the node, and so its step."""
        return replace(self, given_name=check_name("An alias", name, caller_source()))

    def tag(self, tags: Mapping[str, Any]) -> PendingInvocation:
        """Add tags to the op's own; ``tidegate/priority`` and ``tidegate/concurrency_key`` work as
        in ``tags=``."""
        where = f"{self.definition.name!r}{at(caller_source())}"
        return replace(self, tags={**self.tags, **read_tags(where, tags)})

    def with_retry_policy(self, retry_policy: RetryPolicy) -> PendingInvocation:
        """Retry this node so, whatever the op says."""
        if not isinstance(retry_policy, RetryPolicy):
            raise DefinitionError(
                f"{self.definition.name!r}{at(caller_source())} got {retry_policy!r}.",
                mend="Give a RetryPolicy(...).",
            )
        return replace(self, retry_policy=retry_policy)

    def with_hooks(self, hooks: Iterable[HookDefinition]) -> PendingInvocation:
        """Call these hooks after this node's steps."""
        where = f"{self.definition.name!r}{at(caller_source())}"
        return replace(self, hooks=merged_hooks(where, self.hooks, step_hooks(where, hooks)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        builder = current_builder()
        if builder is None:
            raise DefinitionError(
                f"{self.definition.name!r}, with an alias, tags or retries, is called outside of a "
                f"graph{at(caller_source())}.",
                mend="Call it in the body of a @graph or @job.",
            )
        return builder.add(self, args, kwargs)


def _by_name(
    label: str, definition: NodeDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    names = definition.input_names
    if len(args) > len(names):
        raise DefinitionError(
            f"{label} got {len(args)} inputs and has {len(names)}.",
            mend=f"Inputs: {', '.join(names) or 'none'}.",
        )
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            raise DefinitionError(
                f"{label} has no input {name!r}.",
                mend=f"{suggestion(name, names)}Inputs: {', '.join(names) or 'none'}.",
            )
        if name in given:
            raise DefinitionError(f"{label} got input {name!r} twice.", mend="Pass it once.")
        given[name] = value
    return given


def _not_a_value(what: str) -> NoReturn:
    raise DefinitionError(
        f"The {what} is used as a value{at(caller_source())}; the body of a graph runs before "
        "there are values.",
        mend="Pass it to an op, and work on the value there.",
    )
