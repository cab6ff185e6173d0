"""Objects that are put and got directly are the objects moto has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tidegate.local.aws import LocalAws

BOTH = [("direct", "moto"), ("moto", "direct"), ("direct", "direct")]


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with LocalAws() as made:
        yield made


def put(aws: LocalAws, way: str, **asked: Any) -> dict[str, Any]:
    """Through moto goes what asks for something more than direct puts know."""
    more = {} if way == "direct" else {"StorageClass": "STANDARD"}
    answer: dict[str, Any] = aws.client("s3").put_object(Bucket=aws.bucket, **more, **asked)
    return answer


def get(aws: LocalAws, way: str, key: str) -> dict[str, Any]:
    more = {} if way == "direct" else {"ResponseCacheControl": "no-cache"}
    answer: dict[str, Any] = aws.client("s3").get_object(Bucket=aws.bucket, Key=key, **more)
    return {**answer, "Body": answer["Body"].read()}


@pytest.mark.parametrize(("putting", "getting"), BOTH)
def test_an_object_is_the_same_whichever_way_it_goes(
    aws: LocalAws, putting: str, getting: str
) -> None:
    made = put(
        aws, putting, Key="a/b c+é", Body=b"\x00x", ContentType="a/b", Metadata={"Format": "json"}
    )

    found = get(aws, getting, "a/b c+é")

    assert found["Body"] == b"\x00x"
    assert found["Metadata"] == {"format": "json"}
    assert (found["ContentType"], found["ContentLength"]) == ("a/b", 2)
    assert found["ETag"] == made["ETag"]
    assert found["LastModified"].tzinfo is not None


@pytest.mark.parametrize(("putting", "getting"), BOTH)
def test_a_bare_object_is_the_same_whichever_way_it_goes(
    aws: LocalAws, putting: str, getting: str
) -> None:
    put(aws, putting, Key="k")

    found = get(aws, getting, "k")

    assert (found["Body"], found["Metadata"]) == (b"", {})
    assert found["ContentType"] == "binary/octet-stream"


def test_a_second_put_takes_the_place_of_the_first(aws: LocalAws) -> None:
    put(aws, "direct", Key="k", Body=b"1", Metadata={"a": "1"})
    put(aws, "direct", Key="k", Body=bytearray(b"2"))

    found = get(aws, "moto", "k")

    assert (found["Body"], found["Metadata"]) == (b"2", {})


@pytest.mark.parametrize(
    ("asked", "code"),
    [({"Key": "none"}, "NoSuchKey"), ({"Bucket": "no-such-bucket", "Key": "k"}, "NoSuchBucket")],
)
def test_what_is_not_there_is_refused_as_moto_does(
    aws: LocalAws, asked: dict[str, str], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        aws.client("s3").get_object(**{"Bucket": aws.bucket, **asked})

    assert refused.value.response["Error"]["Code"] == code


def test_what_is_more_than_a_plain_put_is_left_to_moto(aws: LocalAws) -> None:
    s3 = aws.client("s3")
    put(aws, "direct", Key="k", Body=b"0123456789")

    part = s3.get_object(Bucket=aws.bucket, Key="k", Range="bytes=2-4")["Body"].read()
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=aws.bucket, Key="k", Body=b"x", IfNoneMatch="*")

    assert part == b"234"
    assert get(aws, "direct", "k")["Body"] == b"0123456789"


def test_versions_are_left_to_moto(aws: LocalAws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})

    made = s3.put_object(Bucket="versioned", Key="k", Body=b"x")

    assert made["VersionId"] == s3.get_object(Bucket="versioned", Key="k")["VersionId"]


def test_calls_are_counted_once(aws: LocalAws) -> None:
    aws.calls.clear()

    put(aws, "direct", Key="k", Body=b"x")
    get(aws, "direct", "k")
    get(aws, "moto", "k")

    assert aws.calls.of().calls["s3", "PutObject"] == 1
    assert aws.calls.of().calls["s3", "GetObject"] == 2


def test_a_client_outside_a_deployment_is_left_alone() -> None:
    params: dict[str, Any] = {}
    client = boto3.client("s3", region_name="us-east-1")

    client.meta.events.emit("provide-client-params.s3.GetObject", params=params, context=params)

    assert params == {}
