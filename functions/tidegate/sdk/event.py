"""What user code returns, yields or raises to say more than a plain value would."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tidegate.domain.mapping import MAPPING_KEYS, mapping_key_problem
from tidegate.errors import InvocationError
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.metadata import MetadataValue, normalize_metadata

if TYPE_CHECKING:
    from tidegate.sdk.asset_key import CoercibleToAssetKey

T = TypeVar("T")

DEFAULT_OUTPUT = "result"
"""Name of the output of a step that names none."""


class _NoValue:
    """Stands where a value could be and was not given; None is a value."""

    def __repr__(self) -> str:
        return "NO_VALUE"


NO_VALUE: Any = _NoValue()


@dataclass(frozen=True)
class DataVersion:
    """Names the content of an asset: same version, same data."""

    value: str

    def __post_init__(self) -> None:
        if not isinstance(self.value, str):
            raise InvocationError(f"A data version is {self.value!r}.", mend="Give text.")


@dataclass(frozen=True, init=False)
class Output(Generic[T]):
    """A value with metadata, for one named output: ``return Output(rows, metadata={"rows": len(rows)})``.

    Raises:
        InvocationError: metadata, tags or the name are not what they should be.
    """

    value: T
    output_name: str
    metadata: Mapping[str, MetadataValue]
    data_version: DataVersion | None
    tags: Mapping[str, str]

    def __init__(
        self,
        value: T,
        output_name: str = DEFAULT_OUTPUT,
        metadata: Mapping[str, Any] | None = None,
        data_version: DataVersion | None = None,
        *,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(output_name, str):
            raise InvocationError(f"An Output has output_name={output_name!r}.", mend="Give text.")
        _set(
            self,
            value=value,
            output_name=output_name,
            metadata=normalize_metadata(metadata),
            data_version=_version(data_version),
            tags=_tags(tags),
        )


@dataclass(frozen=True, init=False)
class DynamicOutput(Generic[T]):
    """One value of a dynamic output: ``yield DynamicOutput(file, mapping_key=file.stem)``.

    Raises:
        InvocationError: the mapping key has other characters than letters, digits and underscores, or metadata or the
            name are not what they should be.
    """

    value: T
    mapping_key: str
    output_name: str
    metadata: Mapping[str, MetadataValue]

    def __init__(
        self,
        value: T,
        mapping_key: str,
        output_name: str = DEFAULT_OUTPUT,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        problem = mapping_key_problem(mapping_key)
        if problem is not None:
            raise InvocationError(f"A DynamicOutput has {problem}.", mend=MAPPING_KEYS)
        if not isinstance(output_name, str):
            raise InvocationError(
                f"A DynamicOutput has output_name={output_name!r}.", mend="Give text."
            )
        _set(
            self,
            value=value,
            mapping_key=mapping_key,
            output_name=output_name,
            metadata=normalize_metadata(metadata),
        )


@dataclass(frozen=True, init=False)
class MaterializeResult(Generic[T]):
    """An asset was made. Without ``value`` nothing is stored: the function has written the data itself.

    Raises:
        InvocationError: metadata or tags are not what they should be.
    """

    asset_key: AssetKey | None
    metadata: Mapping[str, MetadataValue]
    data_version: DataVersion | None
    tags: Mapping[str, str]
    value: T

    def __init__(
        self,
        *,
        asset_key: CoercibleToAssetKey | None = None,
        metadata: Mapping[str, Any] | None = None,
        data_version: DataVersion | None = None,
        tags: Mapping[str, str] | None = None,
        value: T = NO_VALUE,
    ) -> None:
        _set(
            self,
            asset_key=None if asset_key is None else AssetKey.from_coercible(asset_key),
            metadata=normalize_metadata(metadata),
            data_version=_version(data_version),
            tags=_tags(tags),
            value=value,
        )


@dataclass(frozen=True, init=False)
class _AssetEvent:
    asset_key: AssetKey
    description: str | None
    metadata: Mapping[str, MetadataValue]
    partition: str | None
    tags: Mapping[str, str]

    def __init__(
        self,
        asset_key: CoercibleToAssetKey,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        if partition is not None and not isinstance(partition, str):
            raise InvocationError(f"A partition is {partition!r}.", mend="Give its key, a text.")
        _set(
            self,
            asset_key=AssetKey.from_coercible(asset_key),
            description=description,
            metadata=normalize_metadata(metadata),
            partition=partition,
            tags=_tags(tags),
        )


class AssetMaterialization(_AssetEvent):
    """The event that an asset, or one partition of it, was made."""


class AssetObservation(_AssetEvent):
    """The event that something was noticed about an asset that was not made."""


class Failure(Exception):
    """Raise it to fail a step with metadata, or with no retries."""

    def __init__(
        self,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        allow_retries: bool = True,
    ) -> None:
        super().__init__(description)
        self.description = description
        self.metadata = normalize_metadata(metadata)
        self.allow_retries = bool(allow_retries)

    def __str__(self) -> str:
        return self.description or ""


class RetryRequested(Exception):
    """Raise it to have the step run again, whatever its retry policy says.

    Raises:
        InvocationError: a negative number.
    """

    def __init__(self, max_retries: int = 1, seconds_to_wait: float | None = None) -> None:
        super().__init__()
        if type(max_retries) is not int or max_retries < 0:
            raise InvocationError(
                f"RetryRequested has max_retries={max_retries!r}.", mend="Give 0 or more."
            )
        if seconds_to_wait is not None and not (
            isinstance(seconds_to_wait, (int, float))
            and math.isfinite(seconds_to_wait)
            and seconds_to_wait >= 0
        ):
            raise InvocationError(
                f"RetryRequested has seconds_to_wait={seconds_to_wait!r}.", mend="Give 0 or more."
            )
        self.max_retries = max_retries
        self.seconds_to_wait = seconds_to_wait

    def __str__(self) -> str:
        wait = f" after {self.seconds_to_wait} s" if self.seconds_to_wait else ""
        return f"A retry was requested{wait}, {self.max_retries} at most."


def _set(target: object, **fields: Any) -> None:
    for name, value in fields.items():
        object.__setattr__(target, name, value)


def _version(version: Any) -> DataVersion | None:
    if version is None or isinstance(version, DataVersion):
        return version
    raise InvocationError(f"A data version is {version!r}.", mend="Give a DataVersion.")


def _tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    found = dict(tags or {})
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvocationError(f"The tag {name!r} is {value!r}.", mend="Give text for both.")
    return found
