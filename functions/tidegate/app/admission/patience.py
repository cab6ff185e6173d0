"""Calling a store again: how often, how long apart, and what to do when it stays contended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import ParamSpec, TypeVar

from tidegate.errors import ConflictError, StoreError, ThrottledError, UnavailableError

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

TRIES = 8
FIRST_PAUSE = timedelta(milliseconds=10)
"""Before the second try; doubled before each further one, 1.3 s in all."""
ROUNDS = 64
"""How often a call reads again because another changed what it was about to change. Each time somebody else got on."""


class Patience:
    """Repeats calls that may be repeated. ``pause`` sleeps for so many seconds."""

    def __init__(self, pause: Callable[[float], None]) -> None:
        self._pause = pause

    def write(
        self, access: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """Call until it is known not to have been refused for lack of throughput or by a conflict.

        Raises:
            ThrottledError, ConflictError: eight times in a row.
            UnavailableError: it is not known whether it was written; the caller reads, then decides.
        """
        try:
            return access(*args, **kwargs)
        except (ThrottledError, ConflictError):
            return self._again((ThrottledError, ConflictError), access, *args, **kwargs)

    def read(
        self, access: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """As ``write``, for a call that changes nothing when repeated: also when no answer came."""
        try:
            return access(*args, **kwargs)
        except (ThrottledError, ConflictError, UnavailableError):
            every = (ThrottledError, ConflictError, UnavailableError)
            return self._again(every, access, *args, **kwargs)

    def rounds(self, what: str) -> Iterator[None]:
        """Go round until it is done.

        Raises:
            ConflictError: others got in first every time.
        """
        for _ in range(ROUNDS):
            yield
        raise ConflictError(f"{what} changed {ROUNDS} times while it was read.")

    def _again(
        self,
        errors: tuple[type[StoreError], ...],
        access: Callable[Arguments, Answer],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Answer:
        for done in range(TRIES - 2):
            self._pause((FIRST_PAUSE * 2**done).total_seconds())
            try:
                return access(*args, **kwargs)
            except errors:
                continue
        self._pause((FIRST_PAUSE * 2 ** (TRIES - 2)).total_seconds())
        return access(*args, **kwargs)
