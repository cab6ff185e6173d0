"""Blobs in memory."""

from __future__ import annotations


class MemoryBlobs:
    """``tidegate.ports.Blobs`` in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def put(self, key: str, body: bytes) -> None:
        self.stored[key] = bytes(body)

    def get(self, key: str) -> bytes | None:
        return self.stored.get(key)
