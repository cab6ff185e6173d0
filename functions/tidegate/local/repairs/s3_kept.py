"""A bucket that outlives the process.

moto: objects are in memory, and gone when the process ends.
AWS: objects stay. ``tidegate dev --persist DIR`` keeps those of the data bucket in one SQLite file, written before the call is
answered; metadata and content types are not kept.
Can go when moto can store S3 on disk.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

from moto.s3.models import S3Backend

from tidegate.local.repairs.patch import Repair

_put_object = S3Backend.put_object
_delete_object = S3Backend.delete_object


class ObjectFile:
    """The objects of one bucket, in a file."""

    def __init__(self, path: Path, bucket: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.bucket = bucket
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS object (key TEXT PRIMARY KEY, body BLOB NOT NULL)"
        )

    def put(self, key: str, body: bytes) -> None:
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO object VALUES (?, ?)", (key, body))

    def delete(self, key: str) -> None:
        with self._lock:
            self._database.execute("DELETE FROM object WHERE key = ?", (key,))

    def clear(self) -> None:
        with self._lock:
            self._database.execute("DELETE FROM object")

    def fill(self, backend: S3Backend) -> None:
        """Put what is kept into the bucket."""
        with self._lock:
            kept = self._database.execute("SELECT key, body FROM object ORDER BY key").fetchall()
        for key, body in kept:
            _put_object(backend, self.bucket, key, body)

    def close(self) -> None:
        with self._lock:
            self._database.close()


_kept: ObjectFile | None = None


def keep(objects: ObjectFile | None) -> None:
    """Where the objects of its bucket are kept from now on; None keeps none."""
    global _kept
    _kept = objects


def _put(self: S3Backend, bucket_name: str, key_name: str, value: bytes, **more: Any) -> Any:
    if _kept is not None and bucket_name == _kept.bucket:
        _kept.put(key_name, bytes(value))
    return _put_object(self, bucket_name, key_name, value, **more)


def _delete(self: S3Backend, bucket_name: str, key_name: str, **more: Any) -> Any:
    if _kept is not None and bucket_name == _kept.bucket:
        _kept.delete(key_name)
    return _delete_object(self, bucket_name, key_name, **more)


REPAIR = Repair("s3 kept", (S3Backend, "put_object", _put), (S3Backend, "delete_object", _delete))
