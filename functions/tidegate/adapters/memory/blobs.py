"""Blobs in memory."""

from __future__ import annotations


class MemoryBlobs:
    """``tidegate.ports.Blobs`` in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def put(self, key: str, body: bytes) -> None:
        self.stored[key] = bytes(body)

    def get(self, key: str, *, most: int | None = None) -> bytes | None:
        body = self.stored.get(key)
        return None if body is None else body[:most]
