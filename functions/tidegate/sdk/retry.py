"""How often, and after how long, a failed step is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tidegate.errors import DefinitionError
from tidegate.sdk.declaration import at, caller_source, known_arguments


class Backoff(StrEnum):
    """How the delay grows with the number n of the retry, first one 1, from the base delay d."""

    LINEAR = "LINEAR"
    """n * d"""
    EXPONENTIAL = "EXPONENTIAL"
    """(2 ** n - 1) * d"""


class Jitter(StrEnum):
    """What chance makes of a delay."""

    FULL = "FULL"
    """Anything between zero and the delay."""
    PLUS_MINUS = "PLUS_MINUS"
    """The delay, plus or minus up to the base delay."""


@known_arguments
@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Try a failed step again, ``max_retries`` times, ``delay`` seconds after the failure.

    ``retry_on``, which Dagster does not have, names the exceptions that are tried again, with those derived from them;
    None means all, and also code that died without raising one. A step on its way to the next attempt holds no slot.

    Raises:
        DefinitionError: a negative number, ``backoff`` or ``jitter`` without ``delay``, or ``retry_on`` that is no exception.
    """

    max_retries: int = 1
    delay: float | None = None
    backoff: Backoff | None = None
    jitter: Jitter | None = None
    retry_on: tuple[type[Exception], ...] | None = None

    def __post_init__(self) -> None:
        if type(self.max_retries) is not int or self.max_retries < 0:
            self._refuse("max_retries", "Give a whole number, 0 or more.")
        if self.delay is not None and (
            isinstance(self.delay, bool)
            or not isinstance(self.delay, (int, float))
            or not 0 < self.delay < float("inf")
        ):
            self._refuse("delay", "Give seconds, more than 0.")
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            self._refuse("backoff", "Use Backoff.LINEAR or Backoff.EXPONENTIAL.")
        if self.jitter is not None and not isinstance(self.jitter, Jitter):
            self._refuse("jitter", "Use Jitter.FULL or Jitter.PLUS_MINUS.")
        if self.delay is None and (self.backoff or self.jitter):
            self._refuse("delay", "Backoff and jitter change a delay: give `delay=` seconds.")
        if self.retry_on is not None:
            self._check_kinds()

    def _check_kinds(self) -> None:
        kinds = self.retry_on if isinstance(self.retry_on, (tuple, list)) else (self.retry_on,)
        if not kinds or not all(isinstance(k, type) and issubclass(k, Exception) for k in kinds):
            self._refuse("retry_on", "Give exception classes, as in retry_on=(TimeoutError,).")
        object.__setattr__(self, "retry_on", tuple(kinds))

    def _refuse(self, argument: str, mend: str) -> None:
        raise DefinitionError(
            f"RetryPolicy has {argument}={getattr(self, argument)!r}{at(caller_source())}.",
            mend=mend,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "max_retries": self.max_retries,
            "delay": self.delay,
            "backoff": self.backoff.value if self.backoff else None,
            "jitter": self.jitter.value if self.jitter else None,
            "retry_on": None if self.retry_on is None else [kind_name(k) for k in self.retry_on],
        }


def kind_name(kind: type[BaseException]) -> str:
    """How a report and a policy name a class of exceptions."""
    return f"{kind.__module__}.{kind.__qualname__}"
