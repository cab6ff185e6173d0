"""Objects of S3 on moto, without the way there: no HTTP, no headers, no XML.

moto: a put or a get of a small object takes 5 ms, all but a tenth of it for the request. Here what boto3 is asked for goes
straight to moto's bucket. That holds for plain puts and gets that succeed; all else is moto's, and so are refusals.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from botocore.response import StreamingBody
from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeBucket, S3Backend, s3_backends

_PUT = frozenset({"Bucket", "Key", "Body", "ContentType", "Metadata"})
_GET = frozenset({"Bucket", "Key"})
_META = "x-amz-meta-"


class MotoObjects:
    """Plain puts and gets of objects."""

    def __init__(self, account: str) -> None:
        self._account = account

    def call(self, operation: str, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """None: moto shall do it."""
        if operation == "PutObject" and asked.keys() <= _PUT:
            return self._put(asked)
        if operation == "GetObject" and asked.keys() == _GET:
            return self._get(asked)
        return None

    @property
    def _backend(self) -> S3Backend:
        return s3_backends[self._account]["aws"]

    def _bucket(self, name: str) -> FakeBucket | None:
        try:
            bucket: FakeBucket = self._backend.get_bucket(name)
        except MissingBucket:
            return None
        return None if bucket.is_versioned or bucket.object_lock_enabled else bucket

    def _put(self, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        body = asked.get("Body", b"")
        if not isinstance(body, bytes | bytearray) or self._bucket(asked["Bucket"]) is None:
            return None
        said = {f"{_META}{name.lower()}": text for name, text in asked.get("Metadata", {}).items()}
        if "ContentType" in asked:
            said["Content-Type"] = asked["ContentType"]
        made = self._backend.put_object(asked["Bucket"], asked["Key"], bytes(body))
        made.set_metadata(said)
        return {"ETag": made.etag}

    def _get(self, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        if self._bucket(asked["Bucket"]) is None:
            return None
        found = self._backend.get_object(asked["Bucket"], asked["Key"])
        if found is None:
            return None
        body, said = found.value, found.metadata
        return {
            "Body": StreamingBody(io.BytesIO(body), len(body)),
            "ContentLength": len(body),
            "ContentType": said.get("Content-Type"),
            "ETag": found.etag,
            "LastModified": found.last_modified.replace(microsecond=0, tzinfo=UTC),
            "Metadata": {
                name.lower().removeprefix(_META): text
                for name, text in said.items()
                if name.lower().startswith(_META)
            },
        }
