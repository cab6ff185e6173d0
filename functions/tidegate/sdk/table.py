"""Tables as metadata: schemas, records, and which column comes from which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.sdk.asset_key import AssetKey

if TYPE_CHECKING:
    from tidegate.sdk.asset_key import CoercibleToAssetKey


@dataclass(frozen=True)
class TableColumnConstraints:
    nullable: bool = True
    unique: bool = False
    other: Sequence[str] = ()


@dataclass(frozen=True)
class TableConstraints:
    other: Sequence[str] = ()


@dataclass(frozen=True)
class TableColumn:
    name: str
    type: str = "string"
    description: str | None = None
    constraints: TableColumnConstraints = TableColumnConstraints()
    tags: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "description": self.description,
            "nullable": self.constraints.nullable,
            "unique": self.constraints.unique,
            "constraints": list(self.constraints.other),
            "tags": dict(self.tags),
        }


@dataclass(frozen=True)
class TableSchema:
    columns: Sequence[TableColumn]
    constraints: TableConstraints = TableConstraints()

    @staticmethod
    def from_name_type_dict(types: Mapping[str, str]) -> TableSchema:
        return TableSchema([TableColumn(name, kind) for name, kind in types.items()])

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [one.to_json() for one in self.columns],
            "constraints": list(self.constraints.other),
        }


@dataclass(frozen=True)
class TableRecord:
    """One row: column name -> text, number, boolean or None."""

    data: Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, init=False)
class TableColumnDep:
    """A column of an upstream asset."""

    asset_key: AssetKey
    column_name: str

    def __init__(self, asset_key: CoercibleToAssetKey, column_name: str) -> None:
        object.__setattr__(self, "asset_key", AssetKey.from_coercible(asset_key))
        object.__setattr__(self, "column_name", column_name)


@dataclass(frozen=True)
class TableColumnLineage:
    """For each column, the upstream columns it is made from."""

    deps_by_column: Mapping[str, Sequence[TableColumnDep]]

    def to_json(self) -> dict[str, Any]:
        return {
            column: [{"asset": str(one.asset_key), "column": one.column_name} for one in upstream]
            for column, upstream in self.deps_by_column.items()
        }
