"""Ops: functions that are steps of a job."""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from tidegate.errors import DefinitionError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.composition import PendingInvocation, current_builder
from tidegate.sdk.declaration import at, check_name, known_arguments, suggestion
from tidegate.sdk.invocation import call_directly
from tidegate.sdk.setting import StepSetting, read_setting, settings_in
from tidegate.sdk.signature import Signature, read_signature
from tidegate.sdk.step import StepOutput

if TYPE_CHECKING:
    from tidegate.sdk.asset_key import CoercibleToAssetKey
    from tidegate.sdk.compute import Compute
    from tidegate.sdk.hook import HookDefinition
    from tidegate.sdk.retry import RetryPolicy


class Nothing:
    """The type of an input or output that carries no value, only order."""


@known_arguments
@dataclass(frozen=True, slots=True)
class In:
    """What an op says of one input beyond its annotation. ``In(Nothing)`` waits, and passes no
    value."""

    dagster_type: Any = ...
    description: str = field(default="", kw_only=True)
    default_value: Any = field(default=..., kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    asset_key: CoercibleToAssetKey | None = field(default=None, kw_only=True)
    """Loads this asset when the input is connected to nothing."""
    input_manager_key: str | None = field(default=None, kw_only=True)


@known_arguments
@dataclass(frozen=True, slots=True)
class Out:
    """What an op says of one output. ``is_required=False``: it may be left out, and steps that need
    it are skipped."""

    dagster_type: Any = ...
    description: str = field(default="", kw_only=True)
    is_required: bool = field(default=True, kw_only=True)
    io_manager_key: str = field(default="io_manager", kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    code_version: str | None = field(default=None, kw_only=True)


@known_arguments
@dataclass(frozen=True, slots=True)
class DynamicOut(Out):
    """An output of any number of values, each yielded as ``DynamicOutput(value, mapping_key)``. In a
    graph, ``.map(fn)`` makes a step for each of them, and ``.collect()`` gathers them in a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpInput:
    """An input of an op, checked against the function."""

    name: str
    annotation: Any = Any
    default: Any = ...
    loads: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    asset_key: AssetKey | None = None
    io_manager_key: str | None = None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class OpDefinition:
    """An op. Called in the body of a graph it becomes a step; called elsewhere it is the function
    itself."""

    name: str
    signature: Signature
    inputs: tuple[OpInput, ...]
    outputs: tuple[StepOutput, ...]
    setting: StepSetting
    config_type: Any = None
    description: str = ""
    code_version: str | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.outputs)

    @property
    def dynamic_outputs(self) -> frozenset[str]:
        """Names of outputs of any number of values."""
        return frozenset(one.name for one in self.outputs if one.is_dynamic)

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        builder = current_builder()
        if builder is not None:
            return builder.add(PendingInvocation(definition=self), args, kwargs)
        defaults = {one.name: one.default for one in self.inputs if one.default is not ...}
        label = f"Op {self.name!r}"
        return call_directly(label, self.signature, args, kwargs, defaults, self.outputs)

    def __repr__(self) -> str:
        return f"OpDefinition({self.name!r})"

    def alias(self, name: str) -> PendingInvocation:
        """The op under another name, to be called in a graph."""
        return PendingInvocation(definition=self).alias(name)

    def tag(self, tags: Mapping[str, Any]) -> PendingInvocation:
        """The op with more tags, to be called in a graph."""
        return PendingInvocation(definition=self).tag(tags)

    def with_hooks(self, hooks: Iterable[HookDefinition]) -> PendingInvocation:
        """The op with hooks, to be called in a graph."""
        return PendingInvocation(definition=self).with_hooks(hooks)

    def with_retry_policy(self, retry_policy: RetryPolicy) -> PendingInvocation:
        """The op with another retry policy, to be called in a graph."""
        return PendingInvocation(definition=self).with_retry_policy(retry_policy)


class OpArguments(TypedDict, total=False):
    """Arguments of ``@op``."""

    name: str | None
    description: str | None
    ins: Mapping[str, In] | None
    out: Out | Mapping[str, Out] | None
    config_schema: Any
    required_resource_keys: collections.abc.Set[str] | None
    tags: Mapping[str, Any] | None
    retry_policy: RetryPolicy | None
    code_version: str | None
    pool: str | Mapping[str, int] | None
    slots: int
    compute: Compute
    timeout: Any


@overload
def op(compute_fn: Callable[..., Any], /) -> OpDefinition: ...
@overload
def op(
    compute_fn: None = None, /, **arguments: Unpack[OpArguments]
) -> Callable[[Callable[..., Any]], OpDefinition]: ...
@known_arguments
def op(
    compute_fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    ins: Mapping[str, In] | None = None,
    out: Out | Mapping[str, Out] | None = None,
    config_schema: Any = None,
    required_resource_keys: collections.abc.Set[str] | None = None,
    tags: Mapping[str, Any] | None = None,
    retry_policy: RetryPolicy | None = None,
    code_version: str | None = None,
    pool: str | Mapping[str, int] | None = None,
    slots: int = 1,
    compute: Compute = "lambda",
    timeout: Any = None,
) -> Any:
    """Make a function an op.

    Args:
        ins: What to say of an input beyond its annotation.
        out: One ``Out``, or several by name. Left out, the op has one output, ``result``.
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


def _declare(function: Any, said: Mapping[str, Any]) -> OpDefinition:
    """The definition that ``@op`` makes, given all of its arguments."""
    called = str(said["name"] or getattr(function, "__name__", ""))
    signature = read_signature(function, f"Op {called!r}")
    check_name("An op", called, signature.source)
    where = f"Op {called!r}{at(signature.source)}"
    return OpDefinition(
        name=called,
        signature=signature,
        inputs=_inputs(where, signature, said["ins"] or {}),
        outputs=tuple(
            replace(one, code_version=one.code_version or said["code_version"])
            for one in _outputs(where, signature, said["out"])
        ),
        setting=read_setting(where, tags=said["tags"], **settings_in(said)),
        config_type=read_config_type(where, signature, said["config_schema"]),
        description=describe(function, said["description"]),
        code_version=said["code_version"],
    )


def describe(function: Any, description: str | None) -> str:
    """The description given, else the docstring."""
    if description is not None:
        return description
    text = getattr(function, "__doc__", None) or ""
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\n".join(lines)


def read_config_type(where: str, signature: Signature, config_schema: Any) -> Any:
    """The type of the config: of the parameter ``config``, or ``config_schema``.

    Raises:
        DefinitionError: both are given, or the schema is none.
    """
    if config_schema is None:
        return signature.config_type
    if signature.config_parameter is not None:
        raise DefinitionError(
            f"{where} has both `config_schema` and a parameter `config`.", mend="Keep one of them."
        )
    from tidegate.sdk.config_schema import check_schema

    check_schema(where, config_schema)
    return config_schema


def _inputs(where: str, signature: Signature, ins: Mapping[str, In]) -> tuple[OpInput, ...]:
    if not isinstance(ins, Mapping) or not all(isinstance(one, In) for one in ins.values()):
        raise DefinitionError(f"{where} has ins={ins!r}.", mend='Give {"name": In(...)}.')
    names = [one.name for one in signature.arguments]
    inputs = []
    for one in signature.arguments:
        said = ins.get(one.name, In())
        if said.dagster_type is Nothing or one.annotation is Nothing:
            raise DefinitionError(
                f"{where} has a parameter {one.name!r} for an input of type Nothing.",
                mend="Such an input carries no value: leave the parameter out.",
            )
        inputs.append(_input(one.name, said, one.annotation, one.default))
    for name, said in ins.items():
        check_name(f"An input of {where}", name, "")
        if name in names:
            continue
        if said.dagster_type is not Nothing and not signature.takes_any:
            raise DefinitionError(
                f"{where} says ins of {name!r}, which is no parameter of the function.",
                mend=f"{suggestion(name, names)}Add the parameter, or use In(Nothing).",
            )
        inputs.append(_input(name, said, Any, ...))
    return tuple(inputs)


def _input(name: str, said: In, annotation: Any, default: Any) -> OpInput:
    return OpInput(
        name=name,
        annotation=annotation if said.dagster_type is ... else said.dagster_type,
        default=default if said.default_value is ... else said.default_value,
        loads=said.dagster_type is not Nothing,
        metadata=said.metadata,
        asset_key=None if said.asset_key is None else AssetKey.from_coercible(said.asset_key),
        io_manager_key=said.input_manager_key,
    )


def _outputs(where: str, signature: Signature, out: Any) -> tuple[StepOutput, ...]:
    if out is None or isinstance(out, Out):
        said = out or (DynamicOut() if of_dynamic_output(signature.returns) else Out())
        return (_output("result", said, value_annotation(signature.returns)),)
    if not isinstance(out, Mapping) or not all(isinstance(one, Out) for one in out.values()):
        raise DefinitionError(
            f"{where} has out={out!r}.", mend='Give Out(...), or {"name": Out(...)}.'
        )
    annotations = several_annotations(signature.returns, len(out))
    return tuple(
        _output(check_name(f"An output of {where}", name, ""), one, annotation)
        for (name, one), annotation in zip(out.items(), annotations, strict=True)
    )


def _output(name: str, said: Out, annotation: Any) -> StepOutput:
    return StepOutput(
        name=name,
        required=said.is_required,
        io_manager_key=said.io_manager_key,
        annotation=annotation if said.dagster_type is ... else without_nothing(said.dagster_type),
        metadata=said.metadata,
        code_version=said.code_version,
        is_dynamic=isinstance(said, DynamicOut),
    )


def value_annotation(returns: Any) -> Any:
    """What a return annotation says of the value: the T of ``Output[T]``; Any for what is yielded
    or wraps values."""
    dynamic = of_dynamic_output(returns)
    if dynamic is not None:
        return (typing.get_args(dynamic) or (Any,))[0]
    origin = typing.get_origin(returns)
    if getattr(origin, "__name__", "") == "Output":
        return typing.get_args(returns)[0]
    if isinstance(origin, type) and issubclass(origin, collections.abc.Iterator):
        return Any
    if getattr(returns, "__name__", "") in {"Output", "MaterializeResult"}:
        return Any
    return without_nothing(returns)


def of_dynamic_output(returns: Any) -> Any:
    """The ``DynamicOutput[T]`` of which a return annotation says a list; None if it does not."""
    if typing.get_origin(returns) not in (list, collections.abc.Sequence):
        return None
    (one,) = typing.get_args(returns)
    name = getattr(typing.get_origin(one) or one, "__name__", "")
    return one if name == "DynamicOutput" else None


def without_nothing(annotation: Any) -> Any:
    """None for Nothing: both say that there is no value."""
    return None if annotation is Nothing or annotation is type(None) else annotation


def several_annotations(returns: Any, count: int) -> list[Any]:
    """Annotations of ``count`` outputs: those of a tuple of that many, else Any."""
    if count == 1:
        return [value_annotation(returns)]
    parts = typing.get_args(returns) if typing.get_origin(returns) is tuple else ()
    if len(parts) == count and ... not in parts:
        return [value_annotation(None if one is type(None) else one) for one in parts]
    return [Any] * count
