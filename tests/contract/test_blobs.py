"""What ``Blobs`` promises, in memory and on S3."""

from __future__ import annotations

import pytest

from tidegate.adapters.aws.blobs import S3Blobs
from tidegate.adapters.memory.blobs import MemoryBlobs
from tidegate.errors import DeploymentError
from tidegate.local.aws import LocalAws
from tidegate.ports import Blobs


@pytest.fixture
def blobs(services: LocalAws | None) -> Blobs:
    return MemoryBlobs() if services is None else S3Blobs(services.bucket)


def test_a_blob_reads_back_as_it_was(blobs: Blobs) -> None:
    body = bytes(range(256)) * 1000

    blobs.put("invocations/run-1/0/1.json", body)

    assert blobs.get("invocations/run-1/0/1.json") == body


def test_the_last_put_stays(blobs: Blobs) -> None:
    blobs.put("a/b c+ü", b"1")
    blobs.put("a/b c+ü", b"")

    assert blobs.get("a/b c+ü") == b""


def test_of_a_large_blob_the_beginning_can_be_read_alone(blobs: Blobs) -> None:
    blobs.put("a", b"0123456789")

    assert [blobs.get("a", most=n) for n in (4, 10, 99)] == [b"0123", b"0123456789", b"0123456789"]
    assert blobs.get("b", most=4) is None


def test_a_blob_that_is_not_there_is_none(blobs: Blobs) -> None:
    blobs.put("a/b", b"1")

    assert blobs.get("a") is None


def test_a_bucket_that_is_not_there_is_named(aws: LocalAws) -> None:
    elsewhere = S3Blobs("no-such-bucket")

    with pytest.raises(DeploymentError, match="Check that bucket no-such-bucket exists"):
        elsewhere.put("a", b"1")
    with pytest.raises(DeploymentError, match="Check that bucket no-such-bucket exists"):
        elsewhere.get("a")
