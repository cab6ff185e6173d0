"""Nested graphs into one list of steps, with dotted keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from tidegate.domain.run import CONCURRENCY_KEY_TAG
from tidegate.errors import DefinitionError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.composition import GraphInput, InvokedOutput, Node, Source
from tidegate.sdk.declaration import at
from tidegate.sdk.graph import GraphDefinition
from tidegate.sdk.hook import HookDefinition, merged_hooks
from tidegate.sdk.op import OpDefinition, OpInput
from tidegate.sdk.retry import RetryPolicy
from tidegate.sdk.setting import StepSetting, read_setting
from tidegate.sdk.step import StepDefinition, StepInput

StepEnd = tuple[str, str]
"""(step key, output name)"""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value given to an input of a graph."""

    value: Any


@dataclass(frozen=True, slots=True)
class Feed:
    """What an input gets: outputs of steps, or an asset, or a constant, or (all empty) nothing."""

    ends: tuple[StepEnd, ...] = ()
    fan_in: bool = False
    collects: bool = False
    asset: AssetKey | None = None
    constant: Constant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatGraph:
    steps: tuple[StepDefinition, ...]
    unfed: tuple[tuple[str, str], ...]
    """(step key, input) that has no source, no default and no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """What a nested graph has from the graphs around it."""

    prefix: str = ""
    feeds: Mapping[str, Feed]
    tags: Mapping[str, str]
    retry: RetryPolicy | None = None
    hooks: tuple[HookDefinition, ...] = ()


def flatten(
    graph: GraphDefinition, values: Mapping[str, Any], retry: RetryPolicy | None
) -> FlatGraph:
    """The steps of a graph, upstream before downstream. ``values`` are those of its own inputs.

    Raises:
        DefinitionError: an input is fed in a way that cannot be carried out.
    """
    feeds = {name: Feed(constant=Constant(value)) for name, value in values.items()}
    walk = _Walk(retry)
    walk.visit(graph, _Scope(feeds=_with_defaults(graph, feeds), tags=graph.tags))
    return FlatGraph(steps=tuple(walk.steps), unfed=tuple(walk.unfed))


def _with_defaults(graph: GraphDefinition, feeds: Mapping[str, Feed]) -> dict[str, Feed]:
    defaults = {k: Feed(constant=Constant(v)) for k, v in graph.defaults.items()}
    return {name: feeds.get(name) or defaults.get(name, Feed()) for name in graph.input_names}


class _Walk:
    def __init__(self, retry: RetryPolicy | None) -> None:
        self.steps: list[StepDefinition] = []
        self.unfed: list[tuple[str, str]] = []
        self._retry = retry
        self._dynamic: set[StepEnd] = set()
        self._mapped: dict[str, StepEnd | None] = {}
        """Step key -> the dynamic output it is mapped over."""

    def visit(self, graph: GraphDefinition, scope: _Scope) -> dict[str, StepEnd]:
        """Add the steps of ``graph``; answers which step makes each of its outputs."""
        made: dict[StepEnd, StepEnd] = {}
        for node in graph.nodes:
            key = f"{scope.prefix}{node.name}"
            feeds = {
                name: _feed(f"Input {name!r} of step {key!r}", node, name, sources, made, scope)
                for name, sources in node.inputs.items()
            }
            tags, retry = {**scope.tags, **node.tags}, node.retry_policy or scope.retry
            hooks = merged_hooks(f"Step {key!r}{at(node.source)}", scope.hooks, node.hooks)
            if isinstance(node.definition, GraphDefinition):
                inner = node.definition
                ends = self.visit(
                    inner,
                    _Scope(
                        prefix=f"{key}.",
                        feeds=_with_defaults(inner, feeds),
                        tags={**inner.tags, **tags},
                        retry=retry,
                        hooks=hooks,
                    ),
                )
            else:
                setting = _setting(node, node.definition, tags)
                self._step(node.definition, key, feeds, setting, retry, hooks)
                ends = {name: (key, name) for name in node.definition.output_names}
            made.update({(node.name, name): end for name, end in ends.items()})
        return {name: made[end.node, end.output] for name, end in graph.outputs.items()}

    def _step(
        self,
        op: OpDefinition,
        key: str,
        feeds: Mapping[str, Feed],
        setting: StepSetting,
        retry: RetryPolicy | None,
        hooks: tuple[HookDefinition, ...],
    ) -> None:
        inputs = tuple(_input(one, feeds.get(one.name, Feed())) for one in op.inputs)
        where = f"Step {key!r}{at(op.signature.source)}"
        mapped_over = self._mapped[key] = self._mapped_over(where, inputs)
        self._dynamic |= {(key, one.name) for one in op.outputs if one.is_dynamic}
        self.unfed += [(key, one.name) for one in inputs if _is_unfed(one)]
        self.steps.append(
            StepDefinition(
                key=key,
                name=op.name,
                function=op.signature.function,
                inputs=inputs,
                outputs=op.outputs,
                context_parameter=op.signature.context_parameter,
                config_parameter=op.signature.config_parameter,
                config_type=op.config_type,
                resource_parameters=op.signature.resources,
                required_resource_keys=setting.required_resource_keys,
                pools=setting.pools,
                priority=setting.priority,
                tags=setting.tags,
                compute=setting.compute,
                timeout_seconds=setting.timeout_seconds,
                retry_policy=retry or setting.retry_policy or self._retry,
                hooks=hooks,
                mapped_over=mapped_over,
                description=op.description,
                source=op.signature.source,
            )
        )

    def _mapped_over(self, where: str, inputs: Iterable[StepInput]) -> StepEnd | None:
        """The dynamic output over which a step with these inputs is mapped.

        Raises:
            DefinitionError: there are two, or an input collects what is not mapped.
        """
        found: dict[StepEnd, None] = {}
        for one in inputs:
            for end in one.sources:
                over = self._over(end)
                if not one.collects:
                    found.update(dict.fromkeys(over))
                elif len(over) != 1:
                    self._refuse_collect(where, end, over)
        if len(found) > 1:
            first, second, *_ = (_shown(end) for end in found)
            raise DefinitionError(
                f"{where} is downstream of two dynamic outputs, {first} and {second}.",
                mend="Collect one of them before the other is mapped.",
            )
        return next(iter(found), None)

    def _over(self, end: StepEnd) -> list[StepEnd]:
        """The dynamic outputs for each of whose values there is a value of this output."""
        outer = self._mapped[end[0]]
        return [one for one in (outer, end if end in self._dynamic else None) if one is not None]

    @staticmethod
    def _refuse_collect(where: str, end: StepEnd, over: list[StepEnd]) -> NoReturn:
        if not over:
            raise DefinitionError(
                f"{where} collects {_shown(end)}, which is not mapped over a dynamic output.",
                mend="Use the value in the function that is mapped, or pass the output as it is.",
            )
        raise DefinitionError(
            f"{where} collects {_shown(end)}, a dynamic output within what is mapped over {_shown(over[0])}.",
            mend="Collect the outer one first, and yield from an op that gets the list.",
        )


def _shown(end: StepEnd) -> str:
    return f"{end[1]!r} of {end[0]!r}"


def _feed(
    where: str,
    node: Node,
    name: str,
    sources: tuple[Source, ...],
    made: Mapping[StepEnd, StepEnd],
    scope: _Scope,
) -> Feed:
    feeds = [
        Feed(ends=(made[one.node, one.output],))
        if isinstance(one, InvokedOutput)
        else scope.feeds[one.name]
        if isinstance(one, GraphInput)
        else Feed(asset=one)
        for one in sources
    ]
    if name in node.collects:
        return replace(feeds[0], fan_in=True, collects=True)
    if name not in node.fan_in:
        return feeds[0]
    if any(one.fan_in or not one.ends for one in feeds):
        raise DefinitionError(
            f"{where}{at(node.source)} is a list of more than outputs of ops.",
            mend="A fan-in gathers single outputs of ops: no lists, assets or values.",
        )
    return Feed(ends=tuple(one.ends[0] for one in feeds), fan_in=True)


def _is_unfed(one: StepInput) -> bool:
    return one.loads and not one.sources and one.asset_key is None and one.default is ...


def _input(one: OpInput, feed: Feed) -> StepInput:
    default = one.default
    if feed.constant is not None:
        default = feed.constant.value
    elif feed.fan_in and not feed.ends:
        default = []
    fed = bool(feed.ends or feed.constant or feed.fan_in)
    return StepInput(
        name=one.name,
        sources=feed.ends,
        fan_in=feed.fan_in,
        collects=feed.collects,
        loads=one.loads,
        asset_key=feed.asset or (None if fed else one.asset_key),
        io_manager_key=one.io_manager_key,
        annotation=one.annotation,
        metadata=one.metadata,
        default=default,
    )


def _setting(node: Node, op: OpDefinition, tags: Mapping[str, str]) -> StepSetting:
    """The op's settings with tags of the call, which may name a pool or a priority."""
    if not tags:
        return op.setting
    where = f"Step {node.name!r}{at(node.source)}"
    renewed = read_setting(where, tags={**op.setting.tags, **tags})
    pools = renewed.pools if CONCURRENCY_KEY_TAG in tags else op.setting.pools
    return replace(op.setting, pools=pools, priority=renewed.priority, tags=renewed.tags)
