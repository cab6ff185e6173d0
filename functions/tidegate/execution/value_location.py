"""Where a value is: one slash-separated key for each asset, partition and output, and no key for two of them.

Assets are at ``assets/<part>/<part>/<partition>``, with ``_`` in place of the partition when there is none; other outputs
at ``runs/<run>/<step>/<output>``, and values of a dynamic output one level below, by mapping key. Parts are escaped, so they hold neither slashes nor dots, and the last segment of an
asset's key is always its partition: two keys are equal only if asset and partition are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from tidegate.sdk.io import InputContext, OutputContext

NO_PARTITION = "_"
_LONGEST = 150
"""File systems end at 255 bytes a name; room is left for the format and for a temporary name."""
_ODD = re.compile(r"[^A-Za-z0-9_-]")


def value_keys(context: InputContext | OutputContext) -> dict[str | None, str]:
    """Partition (None when there is none) -> key of the value."""
    if context.has_asset_key:
        parts = context.asset_key.path
        keys = context.partitions
        if keys is None:
            return {None: asset_value_key(parts, None)}
        return {key: asset_value_key(parts, key) for key in keys}
    output = context.upstream_output if isinstance(context, InputContext) else context
    stored = output or context
    key = output_value_key(stored.run_id, stored.step_key, stored.name)
    return {None: key if stored.mapping_key is None else f"{key}/{escaped(stored.mapping_key)}"}


def asset_value_key(parts: Iterable[str], partition: str | None) -> str:
    if partition is None:
        last = NO_PARTITION
    else:
        last = "%5F" if partition == NO_PARTITION else escaped(partition)
    return "/".join(("assets", *map(escaped, parts), last))


def output_value_key(run_id: str, step: str, output: str) -> str:
    return "/".join(("runs", escaped(run_id), escaped(step), escaped(output)))


def escaped(part: str) -> str:
    """The part with all but letters, digits, ``_`` and ``-`` as ``%XX``; a long one is cut, and ends with ``%-`` and its
    hash, which nothing else does."""
    text = _ODD.sub(lambda odd: "".join(f"%{byte:02X}" for byte in _bytes(odd[0])), part) or "%"
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 34]}%-{hashlib.sha256(_bytes(part)).hexdigest()[:32]}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
