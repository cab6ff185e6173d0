"""Hooks: functions that are called after a step, or a run, has succeeded or failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tidegate.errors import DefinitionError
from tidegate.sdk.context import RunInfo
from tidegate.sdk.declaration import at, check_name, function_source, known_arguments
from tidegate.sdk.resource_definition import Resources

SUCCESS, FAILURE = "success", "failure"
STEP, RUN = "step", "run"

Body: TypeAlias = "Callable[[HookContext], Any]"


class StepFailed(Exception):
    """What a step, or a run, failed of, as far as it is known outside of it: ``kind`` is the class of what was raised."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}" if kind else message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, kw_only=True)
class HookContext:
    """What a hook is told."""

    hook_name: str
    run: RunInfo = field(default_factory=RunInfo)
    step_key: str | None = None
    """None for a hook of the run."""
    op_exception: BaseException | None = None
    """Why it failed: a ``StepFailed``, since a hook does not run in the process that failed."""
    op_config: Any = None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("tidegate"))
    resources: Any = field(default_factory=lambda: Resources("The hook", {}))

    @property
    def run_id(self) -> str:
        return self.run.run_id

    @property
    def job_name(self) -> str:
        return self.run.job_name


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class HookDefinition:
    """A hook. Give it to a job (``hooks={...}``, ``with_hooks``), or to one call of an op in a graph."""

    name: str
    on: str
    """``success`` or ``failure``."""
    of: str
    """``step`` or ``run``."""
    function: Body
    required_resource_keys: frozenset[str] = frozenset()
    source: str = ""

    def __repr__(self) -> str:
        return f"HookDefinition({self.name!r})"

    def __call__(self, context: HookContext) -> Any:
        return self.function(context)


@known_arguments
def success_hook(
    hook_fn: Body | None = None,
    /,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> Any:
    """Make a function of a ``HookContext`` a hook of each step that succeeds."""
    return _declared(hook_fn, name, required_resource_keys, on=SUCCESS, of=STEP)


@known_arguments
def failure_hook(
    hook_fn: Body | None = None,
    /,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> Any:
    """Make a function of a ``HookContext`` a hook of each step that fails, its retries used up."""
    return _declared(hook_fn, name, required_resource_keys, on=FAILURE, of=STEP)


@known_arguments
def run_success_hook(
    hook_fn: Body | None = None,
    /,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> Any:
    """Make a function of a ``HookContext`` a hook of each run of the job that succeeds. Dagster has none."""
    return _declared(hook_fn, name, required_resource_keys, on=SUCCESS, of=RUN)


@known_arguments
def run_failure_hook(
    hook_fn: Body | None = None,
    /,
    *,
    name: str | None = None,
    required_resource_keys: Iterable[str] | None = None,
) -> Any:
    """Make a function of a ``HookContext`` a hook of each run of the job that fails. Dagster has none."""
    return _declared(hook_fn, name, required_resource_keys, on=FAILURE, of=RUN)


@known_arguments
def build_hook_context(
    resources: Mapping[str, Any] | None = None,
    run_id: str = "test",
    job_name: str = "job",
    step_key: str | None = "op",
    op_exception: BaseException | None = None,
    op_config: Any = None,
    tags: Mapping[str, str] | None = None,
) -> HookContext:
    """A context to call a hook with in a test."""
    return HookContext(
        hook_name="hook",
        run=RunInfo(run_id=run_id, job_name=job_name, tags=dict(tags or {})),
        step_key=step_key,
        op_exception=op_exception,
        op_config=op_config,
        resources=Resources("The hook", dict(resources or {})),
    )


def read_hooks(where: str, hooks: Any) -> tuple[HookDefinition, ...]:
    """Raises:
    DefinitionError: it is no collection of hooks, or two of them have one name.
    """
    if hooks is None:
        return ()
    if isinstance(hooks, HookDefinition | str) or not isinstance(hooks, Iterable):
        raise DefinitionError(f"{where} has hooks={hooks!r}.", mend="Give a set: hooks={one}.")
    found: dict[str, HookDefinition] = {}
    for one in hooks:
        if not isinstance(one, HookDefinition):
            raise DefinitionError(
                f"{where} has the hook {one!r}.",
                mend="Make it with @success_hook or @failure_hook.",
            )
        if found.setdefault(one.name, one) is not one:
            raise DefinitionError(
                f"{where} has two hooks named {one.name!r}.", mend="Give one another name=."
            )
    return tuple(found[name] for name in sorted(found))


def step_hooks(where: str, hooks: Any) -> tuple[HookDefinition, ...]:
    """As ``read_hooks``, for a call of an op, which has no runs."""
    found = read_hooks(where, hooks)
    for one in found:
        if one.of == RUN:
            raise DefinitionError(
                f"{where} has the hook {one.name!r}, which is one of runs.",
                mend="Give it to the job.",
            )
    return found


def merged_hooks(
    where: str, first: tuple[HookDefinition, ...], second: tuple[HookDefinition, ...]
) -> tuple[HookDefinition, ...]:
    return read_hooks(where, (*first, *second))


def _declared(
    hook_fn: Body | None, name: str | None, keys: Iterable[str] | None, *, on: str, of: str
) -> Any:
    def declare(function: Body) -> HookDefinition:
        source = function_source(function)
        if not callable(function) or isinstance(function, type):
            raise DefinitionError(
                f"A hook{at(source)} is not a function: {function!r}.", mend="Decorate a function."
            )
        called = check_name("A hook", name or getattr(function, "__name__", ""), source)
        if isinstance(keys, str):
            raise DefinitionError(
                f"Hook {called!r}{at(source)} has required_resource_keys={keys!r}.",
                mend="Give a set of keys.",
            )
        return HookDefinition(
            name=called,
            on=on,
            of=of,
            function=function,
            required_resource_keys=frozenset(keys or ()),
            source=source,
        )

    return declare if hook_fn is None else declare(hook_fn)
