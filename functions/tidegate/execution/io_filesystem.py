"""Values as files under one folder."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from tidegate.errors import OutputError
from tidegate.execution.io_storage import StorageIOManager
from tidegate.execution.value_format import CONTENT_TYPES, Encoded
from tidegate.sdk.env_var import EnvVar, read_env_vars
from tidegate.sdk.io import IOManagerDefinition
from tidegate.sdk.metadata import MetadataValue
from tidegate.sdk.resource_definition import InitResourceContext


class FilesystemIOManager(StorageIOManager):
    """Stores ``assets/weather/daily/2024-01-01.parquet`` under ``base_dir``; the ending is the format.

    A file is written under a temporary name and renamed. When a value changes its format, the new file is there before the
    old one goes, and is the newer of the two: readers take the newest.
    """

    loads_in_parallel = True

    def __init__(self, base_dir: str | os.PathLike[str] | EnvVar = "storage") -> None:
        self._base_dir = base_dir

    def __repr__(self) -> str:
        return f"FilesystemIOManager({self._base_dir!r})"

    @property
    def base_dir(self) -> Path:
        return Path(read_env_vars(self._base_dir, "FilesystemIOManager"))

    def write(self, key: str, value: Encoded) -> MetadataValue:
        path = self.base_dir / f"{key}.{value.format}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._replace(path, key, value)
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written: {error.strerror or error}.",
                mend="Check the folder's permissions and free space.",
            ) from error
        return MetadataValue.path(path)

    def read(self, key: str) -> Encoded | None:
        while True:
            found = max(self._stored(key), default=None)
            if found is None:
                return None
            try:
                return Encoded(body=found[1].read_bytes(), format=found[2])
            except FileNotFoundError:  # replaced by one of another format since it was listed
                continue

    def _replace(self, path: Path, key: str, value: Encoded) -> None:
        others = [one for one in self._stored(key) if one[1] != path]
        temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
        try:
            temporary.write_bytes(value.body)
            _become_newest(temporary, others)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        for _, old, _ in others:
            old.unlink(missing_ok=True)

    def _stored(self, key: str) -> list[tuple[int, Path, str]]:
        """(time of change, file, format) of each file that holds the value."""
        found = []
        for format in CONTENT_TYPES:
            path = self.base_dir / f"{key}.{format}"
            try:
                found.append((path.stat().st_mtime_ns, path, format))
            except (FileNotFoundError, NotADirectoryError):
                continue
        return found


def _become_newest(temporary: Path, others: list[tuple[int, Path, str]]) -> None:
    """Clocks of file systems are coarse: two writes can fall into one tick."""
    newest = max((one[0] for one in others), default=0)
    if temporary.stat().st_mtime_ns <= newest:
        os.utime(temporary, ns=(newest + 1_000_000, newest + 1_000_000))


def _fs_io_manager(context: InitResourceContext) -> Any:
    return FilesystemIOManager((context.resource_config or {}).get("base_dir", "storage"))


fs_io_manager = IOManagerDefinition(
    function=_fs_io_manager,
    config_schema={"base_dir": str},
    description="Stores values as files under base_dir.",
)
