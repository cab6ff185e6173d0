"""Every error a user of Tidegate can meet.

    TidegateError
    |-- DefinitionError          what is declared in code is wrong
    |-- InvocationError          a public function was called with arguments it cannot use
    |-- ConfigError              run config does not fit the schema of a job, op or resource
    |-- SettingsError            tidegate.yaml, or an environment variable, is wrong
    |-- NotFoundError            a name that nothing answers to
    |   |-- UnknownJobError
    |   |-- UnknownAssetError
    |   |-- UnknownPartitionError
    |   |-- UnknownRunError
    |   |-- UnknownBackfillError
    |   `-- UnknownLimitError
    |-- ReportError              user code answered something that is not a report
    |-- RequestError             a request to the API is malformed
    |-- DeploymentError          no deployment answers, or it answered with a failure
    |-- OutputError              a value could not be stored, or a stored value not loaded
    `-- StoreError               the control tables
        |-- ThrottledError       try again: nothing was written
        |-- ConflictError        try again: another writer was at it, nothing was written
        `-- UnavailableError     try again: it is not known whether anything was written

Each has a stable ``code``; ``mend`` says what to do next. ``str(error)`` is one sentence, then the mend.
"""

from __future__ import annotations

from typing import Any, ClassVar


class TidegateError(Exception):
    """Root of all errors raised on purpose."""

    code: ClassVar[str] = "tidegate"

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """The form in which an error crosses a process boundary."""
        return {"code": self.code, "message": self.message, "mend": self.mend}


class DefinitionError(TidegateError):
    """What is declared in code is wrong: a cycle, an unknown upstream, two things of one name."""

    code = "definition"


class InvocationError(TidegateError):
    """A public function was called with arguments it cannot use."""

    code = "invocation"


class ConfigError(TidegateError):
    """Run config does not fit the schema of the job, op or resource it is for."""

    code = "config"


class SettingsError(TidegateError):
    """The settings file, or an environment variable that overrides it, is wrong."""

    code = "settings"


class NotFoundError(TidegateError):
    """A name that nothing answers to."""

    code = "not-found"


class UnknownJobError(NotFoundError):
    code = "unknown-job"


class UnknownAssetError(NotFoundError):
    code = "unknown-asset"


class UnknownPartitionError(NotFoundError):
    code = "unknown-partition"


class UnknownRunError(NotFoundError):
    code = "unknown-run"


class UnknownBackfillError(NotFoundError):
    code = "unknown-backfill"


class UnknownLimitError(NotFoundError):
    code = "unknown-limit"


class ReportError(TidegateError):
    """User code answered something that is not a report."""

    code = "report"


class RequestError(TidegateError):
    """A request to the API is malformed."""

    code = "request"


class DeploymentError(TidegateError):
    """No deployment answers, or it answered with a failure."""

    code = "deployment"


class OutputError(TidegateError):
    """A value could not be stored, or a stored value could not be loaded."""

    code = "output"


class StoreError(TidegateError):
    """The control tables refused, or did not answer."""

    code = "store"


class ThrottledError(StoreError):
    """Too many requests: nothing was written, try again."""

    code = "throttled"


class ConflictError(StoreError):
    """Another writer was at the same rows: nothing was written, try again."""

    code = "conflict"


class UnavailableError(StoreError):
    """No answer: it is not known whether anything was written. Every write may be repeated."""

    code = "unavailable"


def _tree(root: type[TidegateError]) -> dict[str, type[TidegateError]]:
    return {root.code: root} | {k: v for c in root.__subclasses__() for k, v in _tree(c).items()}


def from_json(document: dict[str, Any]) -> TidegateError:
    """Rebuild an error that crossed a process boundary; an unknown code becomes the root class."""
    kind = _tree(TidegateError).get(str(document.get("code")), TidegateError)
    return kind(str(document.get("message", "")), mend=str(document.get("mend", "")))
