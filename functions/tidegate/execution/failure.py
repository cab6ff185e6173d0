"""What an exception of user code becomes in a report."""

from __future__ import annotations

import os
import sysconfig
import traceback
from typing import Any

from tidegate.domain.task import StepFailure
from tidegate.errors import OutputError, TidegateError
from tidegate.sdk.event import Failure, RetryRequested
from tidegate.sdk.metadata import metadata_json
from tidegate.sdk.retry import kind_name

MAX_MESSAGE = 8_000
MAX_STACK = 16_000
MAX_KINDS = 50
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARIES = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "purelib", "platlib"))


class StepStopped(BaseException):
    """Raised inside the step when its container is told to stop."""


def failure_of(error: BaseException) -> StepFailure:
    """The failure that ``error`` is, for any exception at all; never raises."""
    said: dict[str, Any] = {
        "error": type(error).__name__,
        "message": text_of(error),
        "kinds": _kinds(error),
    }
    if isinstance(error, Failure):
        said["metadata"] = metadata_json(error.metadata)
        said["allow_retries"] = error.allow_retries
    elif isinstance(error, RetryRequested):
        cause = error.__cause__
        if cause is not None:
            said["message"] += f" Because: {type(cause).__name__}: {text_of(cause)}"
        said["retry_after_seconds"] = float(error.seconds_to_wait or 0)
        said["max_retries"] = error.max_retries
    elif isinstance(error, SystemExit):
        said["message"] = f"The step called exit({error.code!r})."
    elif isinstance(error, KeyboardInterrupt):
        said["message"] = "The step was interrupted."
    elif isinstance(error, MemoryError):
        said["message"] = f"The step ran out of memory. {text_of(error)}".strip()
    elif isinstance(error, StepStopped):
        said["error"] = "Stopped"
    elif isinstance(error, TidegateError):
        # It would fail again in the same way, but for what was wrong with storage.
        said["allow_retries"] = isinstance(error, OutputError)
    said["message"] = shortened(said["message"], MAX_MESSAGE)
    return StepFailure(**said, stack=shortened(user_stack(error), MAX_STACK))


def _kinds(error: BaseException) -> tuple[str, ...]:
    """Its class and those it derives from, down to what everything is."""
    kinds = [kind for kind in type(error).__mro__ if issubclass(kind, Exception)]
    return tuple(kind_name(kind) for kind in kinds[:MAX_KINDS])


def text_of(error: BaseException) -> str:
    """``str(error)``, of whatever an exception's own ``__str__`` does."""
    try:
        return printable(str(error))
    except Exception as second:  # noqa: BLE001 - code of the exception's own class
        return f"(its text cannot be shown: {type(second).__name__})"


def user_stack(error: BaseException) -> str:
    """The stack trace from the user's first line on, causes included. Empty when none of it is the user's.

    What caused one of our own errors is left out: it can hold the values of config, and secrets with them.
    """
    try:
        shown = traceback.TracebackException.from_exception(error)
        if isinstance(error, TidegateError):
            shown.__cause__ = shown.__context__ = None
        if not _keep_user_frames(shown):
            return ""
        return printable("".join(shown.format()))
    except Exception as second:  # noqa: BLE001 - code of the exception's own class
        return f"(the stack trace cannot be shown: {type(second).__name__})"


def user_line(error: BaseException) -> str:
    """``file:line`` of the innermost frame that is the user's own, rather than of a library; empty when there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [one for one in traceback.extract_tb(error.__traceback__) if _is_user(one.filename)]
    own = [one for one in frames if not one.filename.startswith(_LIBRARIES)] or frames
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


def _keep_user_frames(shown: traceback.TracebackException | None) -> bool:
    """Drop our frames before the user's first one, all along the chain. Whether any frame is left."""
    left = False
    while shown is not None:
        frames = list(shown.stack)
        mine = [place for place, frame in enumerate(frames) if _is_user(frame.filename)]
        kept = frames[mine[0] :] if mine else []
        shown.stack = traceback.StackSummary.from_list(kept)
        left = left or bool(kept)
        shown = shown.__cause__ or shown.__context__
    return left


def _is_user(filename: str) -> bool:
    return not filename.startswith((_PACKAGE, "<frozen "))


def shortened(text: str, most: int) -> str:
    """The text with its middle left out when it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n... ({len(text) - 2 * half:,} characters left out) ...\n{text[-half:]}"


def printable(text: str) -> str:
    """The text with what no encoding can carry (lone surrogates) replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
