"""Calling a store again: how often, how long apart, and what to do when it stays contended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from random import random
from typing import ParamSpec, TypeVar

from tidegate.errors import ConflictError, StoreError, ThrottledError, UnavailableError

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

TRIES = 8
FIRST_PAUSE = timedelta(milliseconds=10)
"""Before the second try at most, and at least half of it; doubled before each further one, 1.3 s in all."""
ROUNDS = 64
"""How often a call reads again because another changed what it was about to change. Each time somebody else got on."""


class Patience:
    """Repeats calls that may be repeated. ``pause`` sleeps for so many seconds; ``draw`` answers a number from 0 to 1."""

    def __init__(self, pause: Callable[[float], None], draw: Callable[[], float] = random) -> None:
        self._pause = pause
        self._draw = draw

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

    def push(
        self, access: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """As ``write``, but a conflict is the caller's to deal with: it has something else to do than to try again."""
        try:
            return access(*args, **kwargs)
        except ThrottledError:
            return self._again((ThrottledError,), access, *args, **kwargs)

    def give_way(self, times: int) -> None:
        """Wait for some random time, twice as long as the last up to eight times that of the first.

        Random over all of it, so that those who met do not meet again (AWS Architecture Blog, "Exponential Backoff And
        Jitter", 2015).
        """
        self._pause(self._draw() * FIRST_PAUSE.total_seconds() * 2 ** min(times, 4))

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
            self._let_pass(done)
            try:
                return access(*args, **kwargs)
            except errors:
                continue
        self._let_pass(TRIES - 2)
        return access(*args, **kwargs)

    def _let_pass(self, doublings: int) -> None:
        longest = FIRST_PAUSE.total_seconds() * 2**doublings
        self._pause(longest * (1 + self._draw()) / 2)
