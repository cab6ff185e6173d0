"""Reading an HTTP/1.1 answer from a connection that may be used again (RFC 9112).

``http.client`` reads headers as those of an e-mail, by a parser that takes more time than all the rest of a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import BinaryIO

MOST_HEADERS = 100
MOST_BYTES = 65_536
"""Of a line: as in ``http.client``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_last: bool = True
    """The connection is not to be used again."""


def read_answer(stream: BinaryIO) -> Answer:
    """
    Raises:
        HTTPException: it is cut off, or no answer of HTTP.
        OSError: the connection broke.
    """
    version, status = _status(stream)
    headers = _headers(stream)
    is_last = version != b"HTTP/1.1" or headers.get("connection", "").lower() == "close"
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, headers, _chunks(stream), is_last)
    length = headers.get("content-length")
    if length is None:
        return Answer(status, headers, stream.read(), is_last=True)
    return Answer(status, headers, _exactly(stream, _number(length, 10)), is_last)


def _status(stream: BinaryIO) -> tuple[bytes, int]:
    line = stream.readline(MOST_BYTES)
    if not line:
        raise RemoteDisconnected("The connection was closed without an answer.")
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not line.endswith(b"\n"):
        raise HTTPException(f"This is no answer of HTTP: {line[:100]!r}")
    return version, _number(rest[:3].decode("latin-1"), 10)


def _headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADERS):
        line = stream.readline(MOST_BYTES)
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.partition(b":")
        if not colon or not line.endswith(b"\n"):
            raise HTTPException(f"This is no header: {line[:100]!r}")
        headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()
    raise HTTPException(f"There are more than {MOST_HEADERS} headers.")


def _chunks(stream: BinaryIO) -> bytes:
    pieces: list[bytes] = []
    while True:
        size = stream.readline(MOST_BYTES).partition(b";")[0].strip()
        length = _number(size.decode("latin-1"), 16)
        if length == 0:
            _headers(stream)  # those after the body
            return b"".join(pieces)
        pieces.append(_exactly(stream, length))
        _exactly(stream, len(b"\r\n"))


def _exactly(stream: BinaryIO, length: int) -> bytes:
    read = stream.read(length)
    if len(read) < length:
        raise IncompleteRead(read, length - len(read))
    return read


def _number(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise HTTPException(f"This is no number: {text[:100]!r}")
    return number
