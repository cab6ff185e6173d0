"""Functions that die at a call the test names, and what others do in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


class Dead(BaseException):
    """A function died, and nobody calls it again."""


def dies(tg: Any, port: str, method: str, *, after: bool = True, when: Any = None) -> None:
    """The next call of a port's method that fits kills the function that makes it."""
    store = tg.services.store
    target = getattr(store, port) if hasattr(store, port) else getattr(tg.services, port)
    real = getattr(target, method)

    def lethal(*args: Any, **kwargs: Any) -> Any:
        if when is not None and not when(*args, **kwargs):
            return real(*args, **kwargs)
        setattr(target, method, real)
        if after:
            real(*args, **kwargs)
        raise Dead

    setattr(target, method, lethal)


def lost(call: Callable[[], Any]) -> None:
    with pytest.raises(Dead):
        call()


def meanwhile(tg: Any, target: Any, method: str, *, before: Any = None, after: Any = None) -> None:
    """At the next call of the method, and only then, something else happens before or after it."""
    real = getattr(target, method)

    def call(*args: Any, **kwargs: Any) -> Any:
        setattr(target, method, real)
        if before is not None:
            before()
        answer = real(*args, **kwargs)
        if after is not None:
            after()
        return answer

    setattr(target, method, call)


def die() -> None:
    raise Dead
