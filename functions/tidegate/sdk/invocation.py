"""Calling an op or asset as the plain function it is, as tests do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tidegate.errors import InvocationError
from tidegate.sdk.declaration import at
from tidegate.sdk.signature import Signature, is_config

if TYPE_CHECKING:
    from tidegate.sdk.step import StepOutput


def call_directly(
    label: str,
    signature: Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    defaults: dict[str, Any],
    outputs: Sequence[StepOutput] = (),
    partitions_def: Any = None,
) -> Any:
    """Call the function with inputs by place or name, and resources and config by name.

    What is not given comes from the context (``resources``, ``op_config``), when one is given, else
    from ``defaults`` of the inputs. The context learns what is made here (``outputs``) and its
    partitions. The answer is whatever the function returns: a generator is not run.

    Raises:
        InvocationError: a value is missing, or there is one too many.
    """
    where = f"{label}{at(signature.source)}"
    given = dict(kwargs)
    left = list(args)
    context = _take_context(where, signature, left, given)
    if is_context(context):
        context.bind(outputs, partitions_def)
    _place(where, signature, left, given)
    for name in signature.resources:
        if name not in given:
            given[name] = _resource(where, context, name)
    if signature.config_parameter and signature.config_parameter not in given:
        given[signature.config_parameter] = _config(where, signature, context)
    for one in signature.arguments:
        if one.name not in given:
            if one.name not in defaults and one.default is ...:
                raise InvocationError(
                    f"{where} was called without a value for {one.name!r}.",
                    mend=f"Pass {one.name}=....",
                )
            given[one.name] = defaults.get(one.name, one.default)
    first = (context,) if signature.context_parameter else ()
    return signature.function(*first, **given)


def is_context(value: Any) -> bool:
    """Whether a value is an execution context; does not import what makes one."""
    module = sys.modules.get("tidegate.sdk.context")
    return module is not None and isinstance(value, module.OpExecutionContext)


def _take_context(where: str, signature: Signature, left: list[Any], given: dict[str, Any]) -> Any:
    name = signature.context_parameter
    if name is None:
        if left and is_context(left[0]):
            return left.pop(0)
        return given.pop("context") if is_context(given.get("context")) else None
    if name in given:
        return given.pop(name)
    if left:
        return left.pop(0)
    raise InvocationError(
        f"{where} takes a context and was called without one.",
        mend="Pass build_op_context() or build_asset_context() first.",
    )


def _place(where: str, signature: Signature, left: list[Any], given: dict[str, Any]) -> None:
    """Give positional values to inputs; to all parameters in their order when there are as many."""
    inputs = [one.name for one in signature.arguments]
    known = {*inputs, *signature.resources, signature.config_parameter}
    free = [name for name in inputs if name not in given]
    everything = [name for name in signature.order if name in known and name not in given]
    names = everything if len(left) == len(everything) else free
    unknown = [] if signature.takes_any else [name for name in given if name not in known]
    if len(left) > len(names) or unknown:
        extra = repr(unknown[0]) if unknown else f"{len(left)} values for {len(names)} inputs"
        raise InvocationError(
            f"{where} was called with {extra}.", mend=f"Its inputs: {', '.join(inputs) or 'none'}."
        )
    given.update(zip(names, left, strict=False))


def _resource(where: str, context: Any, name: str) -> Any:
    resources = getattr(context, "resources", None)
    try:
        return getattr(resources, name)
    except AttributeError:
        raise InvocationError(
            f"{where} was called without the resource {name!r}.",
            mend=f"Pass {name}=..., or a context built with it.",
        ) from None


def _config(where: str, signature: Signature, context: Any) -> Any:
    value = getattr(context, "op_config", None) if context is not None else None
    if not is_config(signature.config_type):
        return value
    try:
        return signature.config_type(**(value or {}))
    except ValueError as error:
        raise InvocationError(
            f"{where} was called without a usable config: {error}", mend="Pass config=...."
        ) from None
