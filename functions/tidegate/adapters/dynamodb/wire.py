"""One request to DynamoDB and its answer, over a connection that is kept: what is signed and sent, and how it reads.

DynamoDB speaks JSON over HTTP (protocol ``AWS JSON 1.0``). Signatures are those of AWS Signature Version 4
(IAM User Guide, "Create a signed AWS API request").
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError
from urllib3.util.wait import wait_for_read

from tidegate.adapters.dynamodb.http_answer import Answer, read_answer

SERVICE = "dynamodb"
CONTENT_TYPE = "application/x-amz-json-1.0"
_TARGET = "DynamoDB_20120810"
_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(Protocol):
    """As botocore has them at one moment."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


def written(parameters: Mapping[str, Any]) -> bytes:
    """The body of a request."""
    return _ENCODER.encode(parameters).encode()


def read(answer: Answer, url: str) -> dict[str, Any]:
    """The answer as botocore's clients give it: that of a refusal has an ``Error``.

    Raises:
        ConnectionClosedError: the body is not the one that was sent.
        ResponseParserError: the body is not JSON.
    """
    said = answer.headers.get("x-amz-crc32")
    if said is not None and said != str(zlib.crc32(answer.body)):
        raise ConnectionClosedError(endpoint_url=url)
    try:
        parsed = json.loads(answer.body)
    except ValueError as error:
        raise ResponseParserError(f"The answer is not JSON: {answer.body[:200]!r}") from error
    if not isinstance(parsed, dict):
        raise ResponseParserError(f"The answer is no JSON object: {answer.body[:200]!r}")
    for item in _items(parsed):
        _to_bytes(item.values())
    if answer.status >= http.client.MULTIPLE_CHOICES:
        code = str(parsed.pop("__type", answer.status)).rpartition("#")[2]
        message = parsed.get("message", parsed.get("Message", ""))
        parsed["Error"] = {"Code": code, "Message": message}
    parsed["ResponseMetadata"] = {
        "RequestId": answer.headers.get("x-amzn-requestid", ""),
        "HTTPStatusCode": answer.status,
        "HTTPHeaders": dict(answer.headers),
        "RetryAttempts": 0,
    }
    return parsed


class Signer:
    """Signs requests to one host. The key is derived once a day from the credentials."""

    def __init__(self, host: str, region: str) -> None:
        self._host = host
        self._region = region
        self._derived: tuple[str, str, bytes] = ("", "", b"")

    def headers(
        self, operation: str, body: bytes, credentials: Credentials, now: datetime
    ) -> dict[str, str]:
        """All headers of the request, the signature among them. ``now`` is in UTC."""
        signed = {
            "content-type": CONTENT_TYPE,
            "host": self._host,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        signed["x-amz-target"] = f"{_TARGET}.{operation}"
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        day = signed["x-amz-date"][:8]
        scope = f"{day}/{self._region}/{SERVICE}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{_ALGORITHM}\n{signed['x-amz-date']}\n{scope}\n{digest}"
        signature = _hmac(self._key(day, credentials.secret_key), to_sign).hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def _key(self, day: str, secret: str) -> bytes:
        known_day, known_secret, key = self._derived
        if (known_day, known_secret) != (day, secret):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, SERVICE, "aws4_request"):
                key = _hmac(key, part)
            self._derived = (day, secret, key)
        return key


class Wire:
    """Connections to one endpoint, which may be used from any thread. Each is for one request at a time.

    ``trusted``: a file of certificates; None: those that botocore trusts.
    """

    def __init__(
        self, url: str, *, trusted: str | None, connect_seconds: float, read_seconds: float
    ) -> None:
        parts = urlsplit(url)
        self.url = f"{parts.scheme}://{parts.netloc}/"
        self.host = parts.netloc
        self._hostname, self._port = parts.hostname or "", parts.port
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._tls = (
            ssl.create_default_context(cafile=trusted or get_cert_path(True))
            if parts.scheme == "https"
            else None
        )
        self._idle: list[http.client.HTTPConnection] = []
        # As the pools of urllib3: one that nobody has any more leaves no open sockets behind.
        weakref.finalize(self, _close, self._idle)

    def send(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """
        Raises:
            EndpointConnectionError, ConnectTimeoutError, SSLError: nothing was sent.
            ReadTimeoutError, ConnectionClosedError: it is not known whether it was done.
        """
        connection = self._connection()
        try:
            # In one piece, which HTTPConnection.request() does not do: the other side is woken once.
            connection.sock.sendall(_head(headers, body) + body)
            with connection.sock.makefile("rb") as stream:
                answer = read_answer(stream)
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise ReadTimeoutError(endpoint_url=self.url, error=error) from error
            if isinstance(error, OSError | http.client.HTTPException):
                raise ConnectionClosedError(endpoint_url=self.url, error=error) from error
            raise
        if answer.is_last:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close what is idle. It may be used again."""
        _close(self._idle)

    def _connection(self) -> http.client.HTTPConnection:
        """The one used last, if the other side has not closed it since; else a new one."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took it
                break
            # Nothing is due on it, so what can be read is its end.
            if not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()
        connection = self._new()
        try:
            connection.connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self.url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self.url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self.url, error=error) from error
        connection.sock.settimeout(self._read_seconds)
        return connection

    def _new(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(
                self._hostname, self._port, timeout=self._connect_seconds
            )
        return http.client.HTTPSConnection(
            self._hostname, self._port, timeout=self._connect_seconds, context=self._tls
        )


def _head(headers: Mapping[str, str], body: bytes) -> bytes:
    """
    Raises:
        ValueError: a header has more than one line.
    """
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("A header has more than one line.")
    return "\r\n".join(["POST / HTTP/1.1", *lines, f"content-length: {len(body)}", "", ""]).encode()


def _binary(value: Any) -> str:
    """What JSON has no form for: bytes, in base64.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no attribute value")


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_binary)


def _items(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All items and keys of an answer, whatever it answers. What is null is not there."""
    yield from answer.get("Items") or ()
    yield from (answer.get(name) or {} for name in ("Item", "Attributes", "LastEvaluatedKey"))
    for items in (answer.get("Responses") or {}).values():
        yield from items
    for reason in answer.get("CancellationReasons") or ():
        yield reason.get("Item") or {}
    for keys in (answer.get("UnprocessedKeys") or {}).values():
        yield from keys["Keys"]
    for requests in (answer.get("UnprocessedItems") or {}).values():
        for request in requests:
            yield from (one.get("Item") or one["Key"] for one in request.values())


def _to_bytes(values: Iterable[dict[str, Any]]) -> None:
    """Attribute values as JSON has them: those that are bytes are in base64."""
    for value in values:
        if "B" in value:
            value["B"] = base64.b64decode(value["B"])
        elif "BS" in value:
            value["BS"] = [base64.b64decode(one) for one in value["BS"]]
        elif "M" in value:
            _to_bytes(value["M"].values())
        elif "L" in value:
            _to_bytes(value["L"])


def _close(connections: list[http.client.HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
