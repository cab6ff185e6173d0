"""JSON in a binary attribute, compressed when that makes it smaller.

DynamoDB charges each write by the KB of the whole item. JSON of the kind we store shrinks to a fifth.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.constants import BINARY

from tidegate.errors import InvocationError

SMALL = 512
"""Bytes below which compressing is not worth its time: a write is charged by the KB."""
MAX_BYTES = 300 * 1024
"""DynamoDB holds 400 KB in an item; the rest is left for its other attributes."""

_ZLIB = 0x78
"""First byte of what zlib makes. It is ``x``, with which no JSON text begins."""


def pack(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        plain = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: only its escape can be stored
        plain = json.dumps(value, separators=(",", ":")).encode()
    if len(plain) < SMALL:
        return plain
    small = zlib.compress(plain, 6)
    return small if len(small) < len(plain) else plain


def unpack(packed: bytes) -> Any:
    return json.loads(zlib.decompress(packed) if packed[0] == _ZLIB else packed)


def fitting(packed: bytes, what: str, mend: str) -> None:
    """Refuse what would not fit an item.

    Raises:
        InvocationError: it takes more than ``MAX_BYTES``.
    """
    if len(packed) > MAX_BYTES:
        raise InvocationError(
            f"{what} takes {len(packed) // 1024} KB, compressed; {MAX_BYTES // 1024} KB fit.",
            mend=mend,
        )


class PackedAttribute(Attribute[Any]):
    """A JSON value, or one that ``pack`` has packed already."""

    attr_type = BINARY

    def serialize(self, value: Any) -> bytes:
        return value if isinstance(value, bytes) else pack(value)

    def deserialize(self, value: bytes) -> Any:
        return unpack(value)
