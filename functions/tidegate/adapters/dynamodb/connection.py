"""The one DynamoDB client of a process."""

from __future__ import annotations

import os
import threading
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.session import get_session
from botocore.utils import get_environ_proxies
from pynamodb.connection import Connection

from tidegate.adapters.dynamodb.client import USER_AGENT, Client
from tidegate.adapters.dynamodb.wire import Wire

CONNECT_SECONDS = 2
READ_SECONDS = 5
"""DynamoDB answers in milliseconds; a connection that says nothing this long is dead, and the call is tried again."""
CONNECTIONS = 32


class DeploymentConnection(Connection):
    """A connection that all tables share, whose client may be first asked for from any thread.

    PynamoDB's own makes the client without a lock, and gives no way to turn account-based endpoints off: they move
    the host name with the credentials, which neither moto nor a network of one's own expects.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._client_lock = threading.Lock()

    def send_pre_boto_callback(self, *_: Any) -> None:
        """Nobody listens to PynamoDB's signals here, and sending them takes time at every call."""

    send_post_boto_callback = send_pre_boto_callback

    @property
    def client(self) -> Any:
        if not _is_usable(self._client):
            with self._client_lock:
                if not _is_usable(self._client):
                    self._client = self._new_client()
        return self._client

    def _new_client(self) -> Any:
        config = Config(
            # The models and the expression algebra produce the parameters: checking them again costs 0.1 ms a call.
            parameter_validation=False,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={
                "total_max_attempts": 1 + self._max_retry_attempts_exception,
                "mode": "standard",
            },
            account_id_endpoint_mode="disabled",
            # Botocore composes its own anew for each call, in 0.1 ms.
            user_agent=USER_AGENT,
        )
        session = get_session()
        plain = session.create_client(
            "dynamodb", self.region, endpoint_url=self.host, config=config
        )
        url = plain.meta.endpoint_url
        if not _is_direct(url):
            return plain
        trusted = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        wire = Wire(
            url, trusted=trusted, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS
        )
        return Client(plain, wire, tries_again=self._max_retry_attempts_exception > 0)


def _is_direct(url: str) -> bool:
    """There is no proxy on the way, nor a path before ``/``: with those botocore knows how to deal."""
    parts = urlsplit(url)
    return parts.path in ("", "/") and parts.scheme not in get_environ_proxies(url)


def _is_usable(client: Any) -> bool:
    """A client made before there were credentials would keep having none."""
    return client is not None and client._request_signer._credentials is not None
