"""Values, reports and logs in an S3 bucket. boto3 is imported when S3 is first used."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from tidegate.errors import OutputError
from tidegate.execution.io_storage import LOADERS, StorageIOManager
from tidegate.execution.value_format import CONTENT_TYPES, Encoded
from tidegate.sdk.asset_key import AssetKey
from tidegate.sdk.env_var import EnvVar, read_env_vars
from tidegate.sdk.io import InputContext
from tidegate.sdk.metadata import MetadataValue

FORMAT = "tidegate-format"
"""Name of the object metadata that holds a value's format."""
_ONE_PUT = 64 * 1024 * 1024
"""A larger body goes up in parts, several at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object of a bucket."""

    body: bytes
    metadata: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"


class DataBucket(Protocol):
    """The data bucket. An object is there whole or not at all."""

    @property
    def name(self) -> str: ...

    def put_object(
        self, key: str, body: bytes, *, content_type: str, metadata: dict[str, str] | None = None
    ) -> None: ...

    def get_object(self, key: str) -> Stored | None:
        """The object; None if there is none."""


class S3Bucket:
    """A bucket on S3; ``AWS_ENDPOINT_URL`` and the other variables of boto3 hold. May be used by several threads."""

    def __init__(self, name: str | EnvVar) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The name may be in the environment, which is read where the step runs."""
        return str(read_env_vars(self._name, "the S3 bucket"))

    @property
    def client(self) -> Any:
        return _client(os.environ.get("AWS_ENDPOINT_URL"), os.environ.get("AWS_REGION"))

    def put_object(
        self, key: str, body: bytes, *, content_type: str, metadata: dict[str, str] | None = None
    ) -> None:
        extra = {"ContentType": content_type, "Metadata": metadata or {}}
        try:
            if len(body) <= _ONE_PUT:
                self.client.put_object(Bucket=self.name, Key=key, Body=body, **extra)
            else:
                stream = import_module("io").BytesIO(body)
                self.client.upload_fileobj(stream, self.name, key, ExtraArgs=extra)
        except _aws_errors() as error:
            raise self._failure("written", key, error) from error

    def get_object(self, key: str) -> Stored | None:
        try:
            answer = self.client.get_object(Bucket=self.name, Key=key)
            body = answer["Body"].read()
        except _aws_errors() as error:
            if _code(error) == "NoSuchKey":
                return None
            raise self._failure("read", key, error) from error
        return Stored(body=body, metadata=answer["Metadata"], content_type=answer["ContentType"])

    def _failure(self, done: str, key: str, error: Exception) -> OutputError:
        mend = {
            "NoSuchBucket": "Check the bucket's name, and that it is deployed.",
            "AccessDenied": "Check the role's rights. Without s3:ListBucket, a missing object reads as denied.",
        }
        code = _code(error)
        return OutputError(
            f"s3://{self.name}/{key} cannot be {done}: {code or type(error).__name__}: {error}.",
            mend=mend.get(code, "Try again; if it stays, check region, credentials and network."),
        )


class BucketIOManager(StorageIOManager):
    """Stores each value as one object, with its format in the object's metadata and content type."""

    loads_in_parallel = True

    def __init__(self, bucket: DataBucket, prefix: str = "") -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def load_asset(self, key: AssetKey, partition: str | None = None) -> Any:
        """The stored value of an asset.

        Raises:
            OutputError: there is none.
        """
        partitions = None if partition is None else (partition,)
        return self.load_input(InputContext(name=key.name, key=key, partitions=partitions))

    def load_output(
        self,
        run_id: str,
        step_key: str,
        output: str = "result",
        mapping_key: str | None = None,
    ) -> Any:
        """The stored value of an output that is no asset. Raises as ``load_asset`` does."""
        return self.load_input(
            InputContext(name=output, run_id=run_id, step_key=step_key, mapping_key=mapping_key)
        )

    def write(self, key: str, value: Encoded) -> MetadataValue:
        self._bucket.put_object(
            f"{self._prefix}{key}",
            value.body,
            content_type=value.content_type,
            metadata={FORMAT: value.format},
        )
        return MetadataValue.path(f"s3://{self._bucket.name}/{self._prefix}{key}")

    def read(self, key: str) -> Encoded | None:
        stored = self._bucket.get_object(f"{self._prefix}{key}")
        if stored is None:
            return None
        return Encoded(body=stored.body, format=stored.metadata.get(FORMAT) or _format_of(stored))


class S3IOManager(BucketIOManager):
    """The same, in a bucket of one's own: ``S3IOManager(bucket="my-data", prefix="tidegate")``."""

    def __init__(self, bucket: str | EnvVar, prefix: str = "") -> None:
        super().__init__(S3Bucket(bucket), prefix)
        self._shown = f"S3IOManager({bucket!r}, prefix={prefix!r})"

    def __repr__(self) -> str:
        return self._shown


_clients = threading.Lock()


@cache
def _make_client(endpoint: str | None, region: str | None) -> Any:
    config = import_module("botocore.config").Config(
        max_pool_connections=LOADERS, retries={"mode": "standard", "max_attempts": 8}
    )
    session = import_module("boto3.session").Session(region_name=region)
    return session.client("s3", config=config, endpoint_url=endpoint)


def _client(endpoint: str | None, region: str | None) -> Any:
    """One client for the process, made once: threads that all find none must not make one each."""
    with _clients:
        return _make_client(endpoint, region)


def _format_of(stored: Stored) -> str:
    """The format of an object that something else put there, by its content type."""
    for format, content_type in CONTENT_TYPES.items():
        if content_type == stored.content_type:
            return format
    return stored.content_type


def _aws_errors() -> tuple[type[Exception], ...]:
    errors = import_module("botocore.exceptions")
    transfer = import_module("boto3.exceptions")
    return errors.ClientError, errors.BotoCoreError, transfer.Boto3Error


def _code(error: Exception) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
