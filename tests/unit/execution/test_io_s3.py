"""Values in S3, on moto."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pandas as pd
import pytest
from moto import mock_aws

from tidegate import AssetKey, EnvVar, S3IOManager, build_input_context, build_output_context
from tidegate.errors import OutputError
from tidegate.execution import io_s3
from tidegate.execution.io_s3 import S3Bucket


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    io_s3._make_client.cache_clear()
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data")
        yield client
    io_s3._make_client.cache_clear()


def test_a_value_is_one_object_with_its_format_and_content_type(s3: Any) -> None:
    context = build_output_context(asset_key=["raw", "rows"], partition_key="de")

    S3IOManager(bucket="data").handle_output(context, pd.DataFrame({"a": [1]}))

    stored = s3.get_object(Bucket="data", Key="assets/raw/rows/de")
    assert stored["ContentType"] == "application/vnd.apache.parquet"
    assert stored["Metadata"] == {"tidegate-format": "parquet"}
    assert context.added["path"].value == "s3://data/assets/raw/rows/de"


@pytest.mark.parametrize("value", [{"a": [1]}, (1, 2), b"raw", "text", None])
def test_a_value_comes_back(s3: Any, value: Any) -> None:
    manager = S3IOManager(bucket="data", prefix="/team/")
    manager.handle_output(build_output_context(run_id="r", step_key="s"), value)

    upstream = build_output_context(run_id="r", step_key="s")

    assert manager.load_input(build_input_context(upstream_output=upstream)) == value
    assert manager.load_output("r", "s") == value
    assert s3.head_object(Bucket="data", Key="team/runs/r/s/result")


def test_a_value_of_another_format_replaces_the_one_before(s3: Any) -> None:
    manager = S3IOManager(bucket="data")

    for value in ({"a": 1}, (1, 2), b"raw"):
        manager.handle_output(build_output_context(asset_key="a"), value)

        assert manager.load_asset(AssetKey("a")) == value


def test_a_missing_value_is_an_error_that_names_it(s3: Any) -> None:
    with pytest.raises(OutputError, match="^Asset 'a', partition 'de' has no stored value"):
        S3IOManager(bucket="data").load_asset(AssetKey("a"), "de")


def test_a_bucket_that_does_not_exist_is_an_error_with_a_mend(s3: Any) -> None:
    with pytest.raises(
        OutputError, match=r"s3://nowhere/.* cannot be read: NoSuchBucket.*Check the bucket"
    ):
        S3IOManager(bucket="nowhere").load_asset(AssetKey("a"))
    with pytest.raises(OutputError, match="cannot be written: NoSuchBucket"):
        S3IOManager(bucket="nowhere").handle_output(build_output_context(asset_key="a"), 1)


def test_an_object_from_elsewhere_is_read_by_its_content_type(s3: Any) -> None:
    s3.put_object(Bucket="data", Key="assets/a/_", Body=b"[1]", ContentType="application/json")
    s3.put_object(Bucket="data", Key="assets/b/_", Body=b"a,b", ContentType="text/csv")

    assert S3IOManager(bucket="data").load_asset(AssetKey("a")) == [1]
    with pytest.raises(
        OutputError, match="^Asset 'b': It was stored in the unknown format 'text/csv'"
    ):
        S3IOManager(bucket="data").load_asset(AssetKey("b"))


def test_a_large_body_goes_up_in_parts_and_comes_back(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(io_s3, "_ONE_PUT", 1000)

    S3IOManager(bucket="data").handle_output(build_output_context(asset_key="a"), b"x" * 2000)

    assert S3IOManager(bucket="data").load_asset(AssetKey("a")) == b"x" * 2000


def test_the_bucket_may_be_in_the_environment(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = S3IOManager(bucket=EnvVar("MY_BUCKET"))
    monkeypatch.setenv("MY_BUCKET", "data")

    manager.handle_output(build_output_context(asset_key="a"), 1)

    assert manager.load_asset(AssetKey("a")) == 1


def test_all_threads_share_one_client(s3: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda _: id(S3Bucket("data").client), range(32)))

    assert len(clients) == 1


def test_a_bucket_costs_nothing_until_it_is_used() -> None:
    code = (
        "import sys\n"
        "from tidegate import S3IOManager\n"
        "S3IOManager(bucket='data')\n"
        "print('boto3' in sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("False\n", "")
