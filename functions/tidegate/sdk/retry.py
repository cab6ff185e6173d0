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

    Raises:
        DefinitionError: a negative number, or ``backoff`` or ``jitter`` without ``delay``.
    """

    max_retries: int = 1
    delay: float | None = None
    backoff: Backoff | None = None
    jitter: Jitter | None = None

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
        }
