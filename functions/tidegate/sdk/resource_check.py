"""Whether the resources that steps ask for are there, and of the class they ask for."""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, suggestion
from tidegate.sdk.step import StepDefinition

DEFAULT_IO_MANAGER = "io_manager"


def check_resources(steps: Iterable[StepDefinition], resources: Mapping[str, Any]) -> None:
    """Check resources, and that they are what the steps of a job ask for.

    Raises:
        DefinitionError: one is missing, or is not what a step asks for.
    """
    for key, value in resources.items():
        if isinstance(value, type):
            raise DefinitionError(
                f"Resource {key!r} is the class {value.__name__}.",
                mend=f"Give an instance: {value.__name__}(...).",
            )
        for other in sorted(getattr(value, "required_resource_keys", ()) or ()):
            if _is_wrapped(value) and other not in resources:
                raise DefinitionError(
                    f"Resource {key!r} needs the resource {other!r}, which is not defined.",
                    mend=f"{suggestion(other, resources)}Add it to Definitions(resources=...).",
                )
    managers: dict[str, str] = {}
    for step in steps:
        label = f"{'Asset' if step.is_asset else 'Op'} {step.key!r}{at(step.source)}"
        for key in sorted(step.required_resource_keys | set(step.resource_parameters)):
            if key not in resources:
                raise DefinitionError(
                    f"{label} needs the resource {key!r}, which is not defined.",
                    mend=f"{suggestion(key, resources)}Add it to Definitions(resources=...).",
                )
        for key, annotation in step.resource_parameters.items():
            _check_class(label, key, annotation, resources[key])
        for key in manager_keys(step):
            managers.setdefault(key, label)
    for key, label in managers.items():
        _check_manager(label, key, resources)


def check_run_config(
    label: str,
    run_config: Mapping[str, Any] | None,
    steps: Iterable[StepDefinition],
    resources: Mapping[str, Any],
) -> None:
    """Check that the config of a job is for steps and resources that it has.

    Raises:
        DefinitionError: the first that it has not.
    """
    if not run_config:
        return
    names = {name for step in steps for name in (step.key, step.key.partition(".")[0])}
    for section, known in (("ops", names), ("resources", {*resources, DEFAULT_IO_MANAGER})):
        given = run_config.get(section) or {}
        if not isinstance(given, Mapping):
            raise DefinitionError(
                f"{label} has config with {section}={given!r}.", mend="Give a mapping."
            )
        for name in given:
            if name not in known:
                raise DefinitionError(
                    f"{label} has config for {section}.{name}, and there is no such thing in it.",
                    mend=f"{suggestion(name, known)}Known: {', '.join(sorted(known)) or 'none'}.",
                )


def manager_keys(step: StepDefinition) -> set[str]:
    """Resource keys of the IO managers that a step stores and loads with."""
    keys = {one.io_manager_key for one in step.outputs}
    for one in step.inputs:
        if one.loads and one.io_manager_key is not None:
            keys.add(one.io_manager_key)
        elif one.loads and one.upstream is not None:
            keys.add(one.upstream.io_manager_key)
    return keys


def _check_manager(label: str, key: str, resources: Mapping[str, Any]) -> None:
    if key not in resources:
        if key == DEFAULT_IO_MANAGER:
            return
        raise DefinitionError(
            f"{label} needs the IO manager {key!r}, which is not defined.",
            mend=f"{suggestion(key, resources)}Add it to Definitions(resources=...).",
        )
    value = resources[key]
    plain = not _is_wrapped(value) and not hasattr(value, "create_io_manager")
    if plain and not (hasattr(value, "handle_output") or hasattr(value, "load_input")):
        raise DefinitionError(
            f"{label} stores or loads with the resource {key!r}, which is no IO manager but "
            f"{value!r}.",
            mend="Give an IOManager.",
        )


def _check_class(label: str, key: str, annotation: Any, value: Any) -> None:
    """An instance of the class asked for; what is wrapped, or made in the run, is known only
    there."""
    wanted = annotation
    if typing.get_origin(annotation) is typing.Annotated:
        wanted = typing.get_args(annotation)[0]
    if not isinstance(wanted, type) or _is_wrapped(value):
        return
    if _is_mock(value) or (_is_configurable(value) and hasattr(value, "create_resource")):
        return
    try:
        fits = isinstance(value, wanted)
    except TypeError:  # a Protocol that is not for run time says nothing
        return
    if not fits:
        raise DefinitionError(
            f"{label} wants the resource {key!r} to be {wanted.__name__}, and it is "
            f"{type(value).__name__}.",
            mend=f"Give {wanted.__name__}(...), or change the annotation.",
        )


def _is_wrapped(value: Any) -> bool:
    """Whether the resource itself is made only in the run."""
    modules = sys.modules
    made = modules.get("tidegate.sdk.resource_definition")
    partial = modules.get("tidegate.sdk.resource")
    return bool(
        (made is not None and isinstance(value, made.ResourceDefinition))
        or (partial is not None and isinstance(value, partial.PartialResource))
    )


def _is_configurable(value: Any) -> bool:
    module = sys.modules.get("tidegate.sdk.resource")
    return module is not None and isinstance(value, module.ConfigurableResource)


def _is_mock(value: Any) -> bool:
    return type(value).__module__ == "unittest.mock"
