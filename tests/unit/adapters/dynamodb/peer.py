"""A server that answers as it is told, one connection after the other, and keeps what it was sent."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

CLOSES = b""
"""Instead of an answer: the connection is closed."""
SILENT = None
"""Instead of an answer: nothing comes."""


def answer(document: Any, status: int = 200, **headers: str) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    named = {"Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Because\r\n{lines}\r\n".encode() + body


def refusal(code: str, status: int = 400, **more: Any) -> bytes:
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return answer({"__type": kind, "message": "because", **more}, status)


@dataclass
class Request:
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    """Which connection it came by, from 1."""


@dataclass
class Peer:
    """``answers``: the next ones to give."""

    certificate: tuple[Path, Path] | None = None
    answers: list[bytes | None] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    closes_after: Sequence[int] = ()
    """Closes the connection by which these requests came, counted from 1, once they are answered."""

    def __post_init__(self) -> None:
        self.closed = threading.Event()
        """Set when a connection was closed from this side."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._taken = 0
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"

    def stop(self) -> None:
        # A thread that waits for the next connection would keep it open.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            self._taken += 1
            threading.Thread(target=self._speak, args=(taken, self._taken), daemon=True).start()

    def _speak(self, taken: socket.socket, number: int) -> None:
        try:
            with self._secured(taken) as secured:
                self._answer_all(secured, number)
        except (OSError, ValueError):
            taken.close()

    def _secured(self, taken: socket.socket) -> socket.socket:
        if self.certificate is None:
            return taken
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        return context.wrap_socket(taken, server_side=True)

    def _answer_all(self, taken: socket.socket, number: int) -> None:
        with taken.makefile("rb") as stream:
            self._answer_each(taken, stream, number)
        taken.close()
        self.closed.set()

    def _answer_each(self, taken: socket.socket, stream: BufferedReader, number: int) -> None:
        while line := stream.readline():
            assert line == b"POST / HTTP/1.1\r\n"
            headers = {}
            while (line := stream.readline()) != b"\r\n":
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = json.loads(stream.read(int(headers["content-length"])))
            self.requests.append(Request(headers, body, number))
            given = self.answers.pop(0)
            if given is CLOSES:
                break
            if given is not SILENT:
                taken.sendall(given)
            if len(self.requests) in self.closes_after:
                break
