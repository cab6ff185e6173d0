"""What the parameters of an op's or asset's function stand for: context, config, resources and
inputs."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, function_source, user_frame

_CONTEXT_NAMES = frozenset({"context", "_context", "context_", "_"})
_CONTEXT_TYPES = ("AssetExecutionContext", "OpExecutionContext")
_CONFIG_TYPES = (dict, str, int, float, bool, list)


class Unresolved(str):
    """An annotation that names nothing at the time of the declaration, as it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A parameter that is an input."""

    name: str
    annotation: Any = Any
    default: Any = ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A function, read as the body of a step."""

    function: Callable[..., Any]
    source: str
    context_parameter: str | None = None
    config_parameter: str | None = None
    config_type: Any = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    """Parameter name -> annotation."""
    arguments: tuple[Argument, ...] = ()
    order: tuple[str, ...] = ()
    """All parameters but the context, as written."""
    takes_any: bool = False
    """It has ``**kwargs``: inputs need no parameter of their own."""
    returns: Any = Any
    """The return annotation; Any when there is none."""


def read_signature(function: Any, label: str) -> Signature:
    """Read the parameters of a step's function.

    Raises:
        DefinitionError: it is not a function, or a parameter can never be given a value.
    """
    source = function_source(function)
    if not callable(function) or isinstance(function, type) or hasattr(function, "signature"):
        raise DefinitionError(
            f"{label}{at(source)} is not a function: {function!r}.", mend="Decorate a function."
        )
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        raise DefinitionError(
            f"{label}{at(source)} has no parameters that can be read: {function!r}.",
            mend="Wrap it in a function of your own.",
        ) from None
    hints = _hints(function)
    context = _context_of(parameters, hints)
    read = _Parameters(f"{label}{at(source)}", hints)
    for one in parameters:
        if one.name != context:
            read.add(one)
    return Signature(
        function=function,
        source=source,
        context_parameter=context,
        config_parameter=read.config,
        config_type=read.config_type,
        resources=read.resources,
        arguments=tuple(read.arguments),
        order=tuple(one.name for one in parameters if one.name != context),
        takes_any=read.takes_any,
        returns=Any if _yields(function) else _plain(hints.get("return", Any)),
    )


def _yields(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


class _Parameters:
    """What parameters stand for, gathered one by one."""

    def __init__(self, where: str, hints: Mapping[str, Any]) -> None:
        self.where, self.hints = where, hints
        self.config: str | None = None
        self.config_type: Any = None
        self.resources: dict[str, Any] = {}
        self.arguments: list[Argument] = []
        self.takes_any = False

    def add(self, one: inspect.Parameter) -> None:
        annotation = self.hints.get(one.name, Any)
        if one.name in _CONTEXT_NAMES - {"_"} or _is_context(annotation):
            raise DefinitionError(
                f"{self.where} takes the context as {one.name!r}, after others.",
                mend="Make the context the first parameter.",
            )
        if one.kind is one.VAR_KEYWORD:
            self.takes_any = True
        elif one.kind in (one.VAR_POSITIONAL, one.POSITIONAL_ONLY):
            raise DefinitionError(
                f"{self.where} has the positional parameter {one.name!r}.",
                mend="Inputs are passed by name: use ordinary parameters.",
            )
        elif one.name == "config" or is_config(annotation):
            self.config = one.name
            self.config_type = _config_type(one.name, annotation, self.hints, self.where)
        elif is_resource(annotation):
            self.resources[one.name] = annotation
        else:
            self.arguments.append(_argument(one, annotation))


def is_config(annotation: Any) -> bool:
    """Whether an annotation is a subclass of Config. Does not import pydantic."""
    module = sys.modules.get("tidegate.sdk.config")
    return (
        module is not None
        and isinstance(annotation, type)
        and issubclass(annotation, module.Config)
    )


def is_resource(annotation: Any) -> bool:
    """Whether an annotation asks for a resource: a ConfigurableResource, or
    ``ResourceParam[T]``."""
    module = sys.modules.get("tidegate.sdk.resource")
    return module is not None and bool(module.is_resource_annotation(annotation))


def _argument(parameter: inspect.Parameter, annotation: Any) -> Argument:
    default = ... if parameter.default is parameter.empty else parameter.default
    return Argument(name=parameter.name, annotation=_plain(annotation), default=default)


def _context_of(parameters: list[inspect.Parameter], hints: Mapping[str, Any]) -> str | None:
    """The first parameter, when its name or its annotation says that it is the context."""
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        return None
    first = parameters[0].name
    return first if first in _CONTEXT_NAMES or _is_context(hints.get(first)) else None


def _is_context(annotation: Any) -> bool:
    """Whether an annotation names one of the contexts, imported or not."""
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return str(name).rpartition(".")[2] in _CONTEXT_TYPES


def _config_type(name: str, annotation: Any, hints: Mapping[str, Any], where: str) -> Any:
    if name != "config":
        raise DefinitionError(
            f"{where} takes its config as {name!r}.", mend="Name the parameter `config`."
        )
    plain = _plain(annotation)
    if is_config(plain) or (typing.get_origin(plain) or plain) in _CONFIG_TYPES:
        return plain
    if isinstance(plain, Unresolved):
        raise DefinitionError(
            f"{where} has a config of type {str(plain)!r}, which is not defined there.",
            mend="Import the class at run time, not only for type checking.",
        )
    shown = getattr(plain, "__name__", plain) if "config" in hints else "no annotation"
    raise DefinitionError(
        f"{where} has the parameter `config` with {shown}.",
        mend="Annotate it with a subclass of Config.",
    )


def _plain(annotation: Any) -> Any:
    """Without ``Annotated``; ``None`` for the type of None."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return None if annotation is type(None) else annotation


def _hints(function: Any) -> dict[str, Any]:
    """Annotations of a function; names of the scope it is declared in count, and each is resolved
    on its own."""
    function = inspect.unwrap(function)
    while not hasattr(function, "__annotations__") and hasattr(function, "func"):
        function = function.func
    if not hasattr(function, "__annotations__"):
        function = type(function).__call__
    written = dict(getattr(function, "__annotations__", {}))
    if not any(isinstance(one, str) for one in written.values()):
        return written
    frame = user_frame()
    names = getattr(function, "__globals__", {})
    scope = {} if frame is None or frame.f_locals is names else dict(frame.f_locals)
    return {name: _resolve(one, names, scope) for name, one in written.items()}


def _resolve(annotation: Any, names: dict[str, Any], scope: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, names, scope, include_extras=True)["it"]
    except Exception:  # noqa: BLE001  (whatever evaluating a user's text raises, it names nothing here)
        return Unresolved(annotation)
