"""Metadata: what user code says about an output or a materialization, as typed values.

A value crosses process boundaries as ``{"type": "int", "value": 3}``. Each is checked where it is made, so that a
wrong one is reported at the user's own line, and writing a report cannot fail because of it.
"""

from __future__ import annotations

import builtins
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from tidegate.errors import InvocationError, TidegateError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.table import TableColumnLineage, TableRecord, TableSchema

if TYPE_CHECKING:
    from tidegate.sdk.asset_key import CoercibleToAssetKey

_MOST_NESTED = 50
"""Deeper JSON is refused: encoders give up at a depth that depends on who calls them."""
_MEND = "Use text, numbers, booleans, JSON, paths, or MetadataValue.<kind>(...)."


@dataclass(frozen=True)
class MetadataValue:
    """A typed metadata value: ``MetadataValue.md("# Rows")``. ``value`` is what it holds, as plain Python.

    Raises:
        InvocationError: the value is not of the kind.
    """

    value: Any
    kind: ClassVar[str] = ""
    accepts: ClassVar[tuple[type, ...]] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.value, self.accepts):
            self._refuse()

    def to_json(self) -> dict[str, Any]:
        """The form that is stored: strict JSON."""
        return {"type": self.kind, "value": self.value}

    def _refuse(self) -> None:
        raise InvocationError(
            f"A metadata value of type {self.kind} cannot hold {_shown(self.value)}.",
            mend=f"Give {' or '.join(one.__name__ for one in self.accepts)}.",
        )

    @staticmethod
    def text(text: str) -> TextMetadataValue:
        return TextMetadataValue(text)

    @staticmethod
    def url(url: str) -> UrlMetadataValue:
        return UrlMetadataValue(url)

    @staticmethod
    def path(path: str | os.PathLike[str]) -> PathMetadataValue:
        return PathMetadataValue(os.fspath(path))

    @staticmethod
    def notebook(path: str | os.PathLike[str]) -> NotebookMetadataValue:
        return NotebookMetadataValue(os.fspath(path))

    @staticmethod
    def json(data: Any) -> JsonMetadataValue:
        return JsonMetadataValue(data)

    @staticmethod
    def md(data: str) -> MarkdownMetadataValue:
        return MarkdownMetadataValue(data)

    @staticmethod
    def python_artifact(python_artifact: Any) -> PythonArtifactMetadataValue:
        """Names a function or class by its module and its own name."""
        return PythonArtifactMetadataValue(
            f"{python_artifact.__module__}.{python_artifact.__qualname__}"
        )

    @staticmethod
    def int(value: builtins.int) -> IntMetadataValue:
        return IntMetadataValue(value)

    @staticmethod
    def float(value: builtins.float) -> FloatMetadataValue:
        return FloatMetadataValue(value)

    @staticmethod
    def bool(value: builtins.bool) -> BoolMetadataValue:
        return BoolMetadataValue(value)

    @staticmethod
    def timestamp(value: builtins.float | datetime) -> TimestampMetadataValue:
        """A moment: seconds since 1970, or an aware datetime."""
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise InvocationError(
                    f"The timestamp {value} has no time zone.", mend="Give an aware datetime."
                )
            value = value.timestamp()
        return TimestampMetadataValue(value)

    @staticmethod
    def dagster_run(run_id: str) -> RunMetadataValue:
        return RunMetadataValue(run_id)

    @staticmethod
    def asset(asset_key: CoercibleToAssetKey) -> AssetMetadataValue:
        return AssetMetadataValue(AssetKey.from_coercible(asset_key))

    @staticmethod
    def job(job_name: str) -> JobMetadataValue:
        return JobMetadataValue(job_name)

    @staticmethod
    def pool(pool: str) -> PoolMetadataValue:
        return PoolMetadataValue(pool)

    @staticmethod
    def null() -> NullMetadataValue:
        return NullMetadataValue()

    @staticmethod
    def table(
        records: Sequence[TableRecord | Mapping[str, Any]], schema: TableSchema | None = None
    ) -> TableMetadataValue:
        rows = [one if isinstance(one, TableRecord) else TableRecord(one) for one in records]
        return TableMetadataValue(rows, schema)

    @staticmethod
    def table_schema(schema: TableSchema) -> TableSchemaMetadataValue:
        return TableSchemaMetadataValue(schema)

    @staticmethod
    def column_lineage(lineage: TableColumnLineage) -> TableColumnLineageMetadataValue:
        return TableColumnLineageMetadataValue(lineage)


class TextMetadataValue(MetadataValue):
    kind = "text"
    accepts = (str,)


class UrlMetadataValue(MetadataValue):
    kind = "url"
    accepts = (str,)


class PathMetadataValue(MetadataValue):
    kind = "path"
    accepts = (str,)


class NotebookMetadataValue(MetadataValue):
    kind = "notebook"
    accepts = (str,)


class MarkdownMetadataValue(MetadataValue):
    kind = "md"
    accepts = (str,)


class PythonArtifactMetadataValue(MetadataValue):
    kind = "python_artifact"
    accepts = (str,)


class RunMetadataValue(MetadataValue):
    kind = "run"
    accepts = (str,)


class JobMetadataValue(MetadataValue):
    kind = "job"
    accepts = (str,)


class PoolMetadataValue(MetadataValue):
    kind = "pool"
    accepts = (str,)


class BoolMetadataValue(MetadataValue):
    kind = "bool"
    accepts = (builtins.bool,)


class IntMetadataValue(MetadataValue):
    kind = "int"
    accepts = (builtins.int,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.value, builtins.bool):
            self._refuse()


class FloatMetadataValue(MetadataValue):
    """Not-a-number and the infinities, which JSON lacks, are stored as the texts ``nan``, ``inf`` and ``-inf``."""

    kind = "float"
    accepts = (builtins.float, builtins.int)

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            object.__setattr__(self, "value", builtins.float(self.value))
        except OverflowError:
            self._refuse()

    def to_json(self) -> dict[str, Any]:
        value = self.value if math.isfinite(self.value) else str(self.value)
        return {"type": self.kind, "value": value}


class TimestampMetadataValue(MetadataValue):
    """Seconds since 1970, UTC."""

    kind = "timestamp"
    accepts = (builtins.float, builtins.int)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.value):
            self._refuse()


@dataclass(frozen=True)
class NullMetadataValue(MetadataValue):
    value: None = None
    kind: ClassVar[str] = "null"
    accepts: ClassVar[tuple[type, ...]] = (type(None),)


class AssetMetadataValue(MetadataValue):
    kind = "asset"
    accepts = (AssetKey,)

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "value": str(self.value)}


class JsonMetadataValue(MetadataValue):
    """Anything JSON can carry; not-a-number and the infinities become null, tuples become lists."""

    kind = "json"
    accepts = (object,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", strict_json(self.value))


@dataclass(frozen=True)
class TableMetadataValue(MetadataValue):
    """Records with their schema; without one, it is read off the first record. ``value`` is the list of records."""

    value: Sequence[TableRecord]
    schema: TableSchema | None = None
    kind: ClassVar[str] = "table"
    accepts: ClassVar[tuple[type, ...]] = (list, tuple)

    def __post_init__(self) -> None:
        super().__post_init__()
        strict_json([dict(one.data) for one in self.value])

    def to_json(self) -> dict[str, Any]:
        rows = strict_json([dict(one.data) for one in self.value])
        schema = self.schema or TableSchema.from_name_type_dict(
            {name: type(value).__name__ for name, value in (rows[0] if rows else {}).items()}
        )
        return {"type": self.kind, "value": {"records": rows, "schema": schema.to_json()}}


class TableSchemaMetadataValue(MetadataValue):
    kind = "table_schema"
    accepts = (TableSchema,)

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "value": strict_json(self.value.to_json())}


class TableColumnLineageMetadataValue(MetadataValue):
    kind = "column_lineage"
    accepts = (TableColumnLineage,)

    def to_json(self) -> dict[str, Any]:
        return {"type": self.kind, "value": self.value.to_json()}


def normalize_metadata(metadata: Mapping[str, Any] | None) -> dict[str, MetadataValue]:
    """Raw values as typed ones, by Dagster's rules: text, int, float, bool, None, list, dict, path, AssetKey.

    Raises:
        InvocationError: a name is not text, or a value is of no known kind; the entry is named.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InvocationError(f"Metadata is {_shown(metadata)}.", mend="Give a dict.")
    found: dict[str, MetadataValue] = {}
    for name, value in metadata.items():
        if not isinstance(name, str):
            raise InvocationError(f"The metadata name {name!r} is not text.", mend="Use str names.")
        try:
            found[name] = _typed(value)
        except TidegateError as error:
            raise InvocationError(f"Metadata {name!r}: {error.message}", mend=error.mend) from error
    return found


def metadata_json(metadata: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Metadata, raw or typed, in the form that is stored. Raises as ``normalize_metadata`` does."""
    return {name: value.to_json() for name, value in normalize_metadata(metadata).items()}


def strict_json(data: Any) -> Any:
    """``data`` as a JSON reader will find it, with null for numbers JSON lacks.

    Raises:
        InvocationError: JSON cannot carry it, or it is nested more than 50 deep.
    """
    try:
        return json.loads(json.dumps(_finite(data, _MOST_NESTED), allow_nan=False, default=_plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvocationError(f"It is not JSON: {error}.", mend=_MEND) from error


def _finite(data: Any, depth: builtins.int) -> Any:
    if depth < 0:
        raise ValueError(f"it is nested more than {_MOST_NESTED} deep")
    if isinstance(data, builtins.float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(value, depth - 1) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value, depth - 1) for value in data]
    return data


def _plain(value: Any) -> Any:
    """Numbers and arrays of other libraries as Python's own."""
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return _finite(value.tolist(), _MOST_NESTED)
    raise TypeError(f"{_shown(value)} has no JSON form")


def _typed(value: Any) -> MetadataValue:
    if isinstance(value, MetadataValue):
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    for kinds, typed in _KINDS:
        if isinstance(value, kinds):
            return typed(value)
    if isinstance(value, os.PathLike):
        return MetadataValue.path(value)
    raise InvocationError(f"It holds {_shown(value)}.", mend=_MEND)


_KINDS: tuple[tuple[tuple[type, ...], type[MetadataValue]], ...] = (
    ((str,), TextMetadataValue),
    ((bool,), BoolMetadataValue),
    ((int,), IntMetadataValue),
    ((float,), FloatMetadataValue),
    ((type(None),), NullMetadataValue),
    ((list, tuple, Mapping), JsonMetadataValue),
    ((AssetKey,), AssetMetadataValue),
    ((TableSchema,), TableSchemaMetadataValue),
    ((TableColumnLineage,), TableColumnLineageMetadataValue),
)


def _shown(value: Any) -> str:
    return f"a value of type {type(value).__name__}"
