"""Who is calling: decides what is counted, where faults strike, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Role(StrEnum):
    CONTROL = "control"
    """A function of the control plane."""
    USER = "user"
    """User code, in a function or a container."""
    STATES = "states"
    """Step Functions, on behalf of an execution."""
    OUTSIDE = "outside"
    """Anything else: a test, the command line, the deployment's own set-up."""


_CURRENT: ContextVar[Role] = ContextVar("tidegate_local_role", default=Role.OUTSIDE)


def current_role() -> Role:
    return _CURRENT.get()


@contextmanager
def acting_as(role: Role) -> Iterator[None]:
    token = _CURRENT.set(role)
    try:
        yield
    finally:
        _CURRENT.reset(token)
