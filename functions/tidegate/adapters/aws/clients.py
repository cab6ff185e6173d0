"""One client for each service of AWS, and what their errors mean.

DynamoDB is not here: its one client belongs to the tables' connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.session import Session, get_session

from tidegate.adapters.answers import BOTOCORE_ERRORS, kind_of
from tidegate.errors import DeploymentError, StoreError

CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"total_max_attempts": 4, "mode": "standard"},
    max_pool_connections=32,
    # The host name would move with the credentials, which no emulator and no private endpoint expects.
    account_id_endpoint_mode="disabled",
)
"""Every call here answers in well under a second; one that is silent for 10 is dead, and is sent again."""

_lock = threading.Lock()
_session: Session | None = None
_clients: dict[str, Any] = {}


def client(service: str) -> Any:
    """The client of ``service`` (boto3's name), in the region and with the credentials of the environment.

    Made from botocore alone, as boto3 would: importing boto3 adds 15 ms to a cold start and nothing to a client. Making one
    takes 30 ms and is not thread-safe, hence the lock.
    """
    found = _clients.get(service)
    if found is None:
        with _lock:
            found = _clients.get(service)
            if found is None:
                found = _clients[service] = _new(service)
    return found


def _new(service: str) -> Any:
    global _session
    if _session is None:
        _session = get_session()
    return _session.create_client(service, config=CONFIG)


def forget_clients() -> None:
    """Make new ones at the next call: for a process that changes its region or its credentials."""
    global _session
    with _lock:
        _session = None
        _clients.clear()


@contextmanager
def answered(call: str, *, mend: str = "") -> Iterator[None]:
    """Turn botocore's errors into ours.

    Raises:
        ThrottledError: nothing was done, try again.
        UnavailableError: it is not known whether it was done.
        DeploymentError: the service refused: a resource that is not there, a permission that is missing.
    """
    try:
        yield
    except BOTOCORE_ERRORS as error:
        kind = kind_of(error)
        if kind is None or kind is StoreError:
            raise DeploymentError(f"{call} failed: {error}", mend=mend) from error
        raise kind(f"{call} failed: {error}") from error


def code_of(error: Exception) -> str:
    """Error code of a refusal, or an empty text."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
