"""How a value becomes bytes: data frames as Parquet, what JSON carries exactly as JSON, bytes as they are, else pickled.

A reader gets back what was stored: equal, and of the same type. Where Parquet or JSON would change it, it is pickled.
(One liberty: a column of text kept as objects comes back as the text type of the pandas that reads it.)
"""

from __future__ import annotations

import io
import json
import pickle
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tidegate.errors import OutputError

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_NESTED = 100
_SCALARS = frozenset({str, int, bool, float, type(None)})
_CARRIED = _SCALARS | {list, dict}
PICKLE_PROTOCOL = 5

CONTENT_TYPES = {
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "series.parquet": "application/vnd.apache.parquet",
    "polars.parquet": "application/vnd.apache.parquet",
    "bytes": "application/octet-stream",
    "png": "image/png",
    "pickle": "application/x-python-pickle",
}
"""Format -> content type. The format is also what ends the name of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A value as bytes."""

    body: bytes
    format: str

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.format]


def encode(value: Any) -> Encoded:
    """The value as bytes.

    Raises:
        OutputError: it cannot even be pickled; the message says why, and whoever stores it adds which value it is.
    """
    if type(value) is bytes:
        return Encoded(body=value, format="png" if value.startswith(_PNG) else "bytes")
    frame = _encode_frame(value)
    if frame is not None:
        return frame
    if carries_exactly(value):
        try:
            text = json.dumps(value, allow_nan=False, separators=(",", ":"))
            return Encoded(body=text.encode(), format="json")
        except (ValueError, RecursionError):  # a number of more digits than Python turns into text
            pass
    try:
        return Encoded(body=pickle.dumps(value, protocol=PICKLE_PROTOCOL), format="pickle")
    except Exception as error:  # whatever the value's own class raises
        raise OutputError(
            f"A value of type {_type_name(value)} cannot be pickled: {error}.",
            mend="Return plain data, or give the output an IO manager that can store it.",
        ) from error


def decode(body: bytes, format: str) -> Any:
    """The value that was stored.

    Raises:
        OutputError: the format is unknown, or the bytes cannot be read here.
    """
    try:
        if format in ("bytes", "png"):
            return body
        if format == "json":
            return json.loads(body)
        if format.endswith("parquet"):
            return _decode_frame(body, format)
        if format == "pickle":
            return pickle.loads(body)
    except Exception as error:  # unpickling runs the code of the value's own class
        raise OutputError(
            f"It was stored as {format} and cannot be read: {type(error).__name__}: {error}.",
            mend="Materialize it again with the code and packages in use now.",
        ) from error
    raise OutputError(
        f"It was stored in the unknown format {format!r}.",
        mend="Materialize it again, or give the input the IO manager that stored it.",
    )


def carries_exactly(value: Any, depth: int = _MOST_NESTED) -> bool:
    """Whether JSON gives the value back equal and of the same types: no tuples, sets, subclasses, or keys but text.

    Numbers that JSON lacks are left to the encoder, which refuses them. Looks at the types of a container all at once,
    since a list may be long.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True
    if depth == 0 or kind not in (list, dict):
        return False
    members = value
    if kind is dict:
        members = value.values()
        if any(one is not str for one in set(map(type, value))):
            return False
    kinds = set(map(type, members))
    if kinds <= _SCALARS:
        return True
    if not kinds <= _CARRIED:
        return False
    return all(carries_exactly(one, depth - 1) for one in members if type(one) in (list, dict))


def _encode_frame(value: Any) -> Encoded | None:
    """Parquet, when the value is a data frame that Parquet holds; subclasses have more to them, and are pickled."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if polars is not None and type(value) is polars.DataFrame:
        sink = io.BytesIO()
        value.write_parquet(sink)
        return Encoded(body=sink.getvalue(), format="polars.parquet")
    if pandas is None or type(value) not in (pandas.DataFrame, pandas.Series):
        return None
    is_series = type(value) is pandas.Series
    frame = value.to_frame(_SERIES_NAME) if is_series else value
    if not _columns_are_exact(pandas, frame):
        return None
    try:
        parquet = import_module("pyarrow.parquet")
        table = import_module("pyarrow").Table.from_pandas(frame)
        if is_series:
            name = pickle.dumps(value.name, protocol=PICKLE_PROTOCOL)
            table = table.replace_schema_metadata({**table.schema.metadata, _SERIES_KEY: name})
        sink = io.BytesIO()
        parquet.write_table(table, sink)
    except (ImportError, ValueError, TypeError, NotImplementedError):
        return None  # pyarrow's errors are kinds of these; a frame of mixed columns is pickled
    return Encoded(body=sink.getvalue(), format="series.parquet" if is_series else "parquet")


def _columns_are_exact(pandas: Any, frame: Any) -> bool:
    """Whether columns and index of Python objects hold only what Parquet has a type for: not lists, dicts, mixtures."""
    levels = [frame.index.get_level_values(place) for place in range(frame.index.nlevels)]
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    return all(
        pandas.api.types.infer_dtype(one, skipna=True) in _EXACT_OBJECTS
        for one in (*columns, *levels)
        if one.dtype == object
    )


_EXACT_OBJECTS = frozenset({"string", "bytes", "date", "time", "decimal", "empty"})
_SERIES_NAME = "values"
_SERIES_KEY = b"tidegate.series_name"


def _decode_frame(body: bytes, format: str) -> Any:
    if format == "polars.parquet":
        return import_module("polars").read_parquet(io.BytesIO(body))
    table = import_module("pyarrow.parquet").read_table(io.BytesIO(body))
    frame = table.to_pandas()
    if format == "parquet":
        return frame
    return frame[_SERIES_NAME].rename(pickle.loads(table.schema.metadata[_SERIES_KEY]))


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
