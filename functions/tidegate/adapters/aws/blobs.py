"""Blobs in S3."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from tidegate.adapters.aws.clients import answered, client, code_of


class S3Blobs:
    """``tidegate.ports.Blobs`` in one bucket. S3 shows an object whole or not at all, and at once after it was put."""

    def __init__(self, bucket: str, *, s3: Any = None) -> None:
        self._bucket = bucket
        self._s3 = s3

    @property
    def _client(self) -> Any:
        return self._s3 or client("s3")

    def put(self, key: str, body: bytes) -> None:
        with answered(f"Writing {key} to bucket {self._bucket}", mend=self._mend):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body)

    def get(self, key: str, *, most: int | None = None) -> bytes | None:
        with answered(f"Reading {key} from bucket {self._bucket}", mend=self._mend):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if code_of(error) == "NoSuchKey":
                    return None
                raise
            with answer["Body"] as stream:
                body: bytes = stream.read(most)
            return body

    @property
    def _mend(self) -> str:
        return f"Check that bucket {self._bucket} exists and that this function's role may use it."
