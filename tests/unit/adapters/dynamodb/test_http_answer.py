"""Answers of HTTP read as ``http.client`` reads them, and nothing else is taken for one."""

from __future__ import annotations

import http.client
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.dynamodb.http_answer import read_answer

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in ("content-length", "transfer-encoding", "connection")
)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


def answer(body: bytes, *lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "".join(f"{one}\r\n" for one in (status, *lines, "")).encode() + body


class Stream(BytesIO):
    """What ``http.client`` asks for a stream of bytes."""

    def makefile(self, mode: str) -> Stream:
        return self


@given(
    status=st.integers(200, 599),
    headers=st.dictionaries(NAMES, VALUES, max_size=5),
    body=st.binary(max_size=50),
    framed=st.sampled_from(["length", "chunks", "end"]),
    closes=st.booleans(),
)
def test_an_answer_reads_as_the_standard_library_reads_it(
    status: int, headers: dict[str, str], body: bytes, framed: str, closes: bool
) -> None:
    status = 200 if status in (204, 304) else status
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Connection: close"] if closes else []
    sent = body
    if framed == "length":
        lines.append(f"Content-Length: {len(body)}")
    if framed == "chunks":
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[:7], body[7:]]
        sent = b"".join(b"%x;x=y\r\n%b\r\n" % (len(one), one) for one in pieces if one)
        sent += b"0\r\nTrailer: x\r\n\r\n"
    raw = answer(sent, *lines, status=f"HTTP/1.1 {status} Because of it")

    read = read_answer(BytesIO(raw))

    theirs: Any = http.client.HTTPResponse(Stream(raw), method="POST")  # type: ignore[arg-type]
    theirs.begin()
    lower = {name.lower(): value for name, value in theirs.getheaders()}
    assert (read.status, read.headers) == (theirs.status, lower)
    assert read.is_last == theirs.will_close
    assert read.body == theirs.read() == body


def test_what_comes_after_an_answer_is_left_alone() -> None:
    stream = BytesIO(answer(b"{}", "Content-Length: 2") + b"next")

    assert read_answer(stream).body == b"{}"
    assert stream.read() == b"next"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        answer(b"", "no header"),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\n",
        answer(b"{", "Content-Length: 2"),
        answer(b"{}", "Content-Length: -2"),
        answer(b"{}", "Content-Length: two"),
        answer(b"5\r\n{}", "Transfer-Encoding: chunked"),
        answer(b"2\r\n{}\r\n", "Transfer-Encoding: chunked"),
        answer(b"-1\r\n\r\n", "Transfer-Encoding: chunked"),
        answer(b"{}", *(f"n{number}: x" for number in range(200))),
        b"HTTP/1.1 200 " + b"x" * 100_000,
    ],
)
def test_what_is_cut_off_or_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        read_answer(BytesIO(raw))


@pytest.mark.parametrize("cut", range(1, 60))
def test_an_answer_cut_off_anywhere_is_refused(cut: int) -> None:
    whole = answer(b'{"Item": {}}', "Content-Length: 12", "x-amz-crc32: 1")

    with pytest.raises(http.client.HTTPException):
        read_answer(BytesIO(whole[:-cut]))
