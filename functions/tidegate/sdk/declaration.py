"""What every declaration needs: where it stands, valid names, and refusal of arguments that do not
exist."""

from __future__ import annotations

import functools
import inspect
import keyword
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable
from types import CodeType, FrameType
from typing import Any, TypeVar, cast

from tidegate.errors import DefinitionError

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NAME = re.compile(r"[A-Za-z0-9_]+")

_NOT_HERE = {
    "asset_checks": "Asset checks are not offered yet.",
    "automation_condition": "Automation conditions are not offered yet.",
    "check_specs": "Asset checks are not offered yet.",
    "concurrency_key": "Use `pool=`.",
    "freshness_policy": "Freshness policies are not offered yet.",
    "hooks": "Give them to the job: @job(hooks=...) or define_asset_job(hooks=...).",
    "io_manager_def": "Put it in Definitions(resources=...), and name it with `io_manager_key=`.",
    "loggers": "Log with context.log; lines are kept with the run.",
    "resource_defs": "Put resources in Definitions(resources=...).",
    "schedules": "Schedules are not offered yet.",
    "sensors": "Sensors are not offered yet.",
}
"""What to do instead of an argument that exists elsewhere, and not here."""


def user_frame() -> FrameType | None:
    """The nearest frame outside this package: where a user's declaration stands."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_code):
        frame = frame.f_back
    return frame


def _is_ours(code: CodeType) -> bool:
    """Whether code is of this package, or an ``__init__`` that a dataclass of it has written."""
    return code.co_filename.startswith(_PACKAGE) or (
        code.co_filename == "<string>" and code.co_name == "__init__"
    )


def caller_source() -> str:
    """``file:line`` of the user's code that is being called from; empty when there is none."""
    frame = user_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


def function_source(function: Any) -> str:
    """``file:line`` of a function, or of the caller when it has no code of its own."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else caller_source()


def at(source: str) -> str:
    """`` (file:line)`` for a message, relative to the working directory where that is shorter."""
    if not source:
        return ""
    here = os.getcwd() + os.sep
    return f" ({source.removeprefix(here)})"


def suggestion(name: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'? `` when something similar is known, else empty."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}? " if close else ""


def check_name(kind: str, name: Any, source: str, *, may_be_keyword: bool = False) -> str:
    """The name, if letters, digits and underscores only.

    Raises:
        DefinitionError: it is not a valid name.
    """
    is_name = isinstance(name, str) and _NAME.fullmatch(name) is not None
    if is_name and (may_be_keyword or not keyword.iskeyword(name)):
        return str(name)
    raise DefinitionError(
        f"{kind} has the name {name!r}{at(source)}.",
        mend="Names are letters, digits and underscores, and no Python keyword.",
    )


def known_arguments(target: F) -> F:
    """Make a function or class answer unknown or misplaced arguments with a ``DefinitionError``
    that says what exists."""
    called: Any = vars(target)["__init__"] if isinstance(target, type) else target
    signature = inspect.signature(called)
    names = [
        one.name
        for one in signature.parameters.values()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) and one.name != "self"
    ]
    accepted = frozenset(names)
    label = target.__name__

    @functools.wraps(called)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if not accepted.issuperset(kwargs):
            refuse_arguments(label, [one for one in kwargs if one not in accepted], names)
        try:
            return called(*args, **kwargs)
        except TypeError:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise DefinitionError(f"{label}{at(caller_source())}: {error}.") from None
            raise

    if isinstance(target, type):
        target.__init__ = checked  # type: ignore[misc]
        return cast(F, target)
    return cast(F, checked)


def refuse_arguments(label: str, unknown: Collection[str], names: Collection[str]) -> None:
    """Raise for the first unknown argument, with the nearest known one."""
    name = next(iter(unknown))
    mend = (
        _NOT_HERE.get(name, "")
        or suggestion(name, names)
        or f"Arguments: {', '.join(one for one in names if one != 'source')}."
    )
    raise DefinitionError(
        f"{label} has no argument {name!r}{at(caller_source())}.", mend=mend.strip()
    )
