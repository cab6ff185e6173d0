"""What an answer of AWS, or none, means for the caller: was anything written, and is it worth trying again."""

from __future__ import annotations

from collections.abc import Collection

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from tidegate.errors import ConflictError, StoreError, ThrottledError, UnavailableError

THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "ThrottlingException",
        "ThrottlingError",
        "Throttling",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        # Step Functions: a million open executions.
        "ExecutionLimitExceeded",
    }
)
CONFLICT = frozenset({"TransactionConflictException", "TransactionConflict"})
UNKNOWN = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "InternalException",
        "InternalError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
        # The same transaction, sent before, is still on its way.
        "TransactionInProgressException",
    }
)
NO_ANSWER = (HTTPClientError, NoConnectionError, IncompleteReadError, ResponseParserError)
"""Botocore's errors when the service could not be reached, fell silent, or spoke nonsense."""

BOTOCORE_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""Everything botocore raises."""


def kind_of(
    error: BaseException | None, more_codes: Collection[str] = ()
) -> type[StoreError] | None:
    """The error to raise for this one of botocore's. None: it is no answer of a service and no lack of one.

    ``more_codes`` are codes the answer holds besides its own, such as the reasons of a cancelled transaction.
    """
    if isinstance(error, NO_ANSWER):
        return UnavailableError
    if isinstance(error, BotoCoreError):
        return StoreError
    if not isinstance(error, ClientError):
        return None
    codes = {str(error.response.get("Error", {}).get("Code")), *more_codes}
    if codes & CONFLICT:
        return ConflictError
    if codes & THROTTLED:
        return ThrottledError
    if codes & UNKNOWN or _status_of(error) >= 500:
        return UnavailableError
    return StoreError


def _status_of(error: ClientError) -> int:
    """HTTP status of the answer. PynamoDB's own copy of the error leaves it out, and keeps the original as its cause."""
    original = error.__cause__ if isinstance(error.__cause__, ClientError) else error
    return int(original.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
