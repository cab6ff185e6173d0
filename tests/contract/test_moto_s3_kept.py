"""What is kept survives the end of the process, however sudden."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.moto_engines import OTHERS
from tidegate.local.aws import LocalAws
from tidegate.local.process import start_moto

KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
WRITES_AND_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from tidegate.local.aws import LocalAws

with LocalAws(store="dynoxide", persist_dir=Path(sys.argv[1])) as aws:
    aws.client("dynamodb").put_item(TableName="tidegate-runs", Item={"pk": {"S": "p"}, "sk": {"S": "s"}})
    aws.client("s3").put_object(Bucket=aws.bucket, Key="k", Body=b"kept")
    print(aws._engine.port, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


if OTHERS:

    def test_tables_and_objects_survive_a_kill(tmp_path: Path) -> None:
        killed = subprocess.run(
            [sys.executable, "-c", WRITES_AND_IS_KILLED, str(tmp_path)],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONPATH": "functions"},
        )

        with LocalAws(store="dynoxide", persist_dir=tmp_path) as aws:
            item = aws.client("dynamodb").get_item(TableName="tidegate-runs", Key=KEY)["Item"]
            body = aws.client("s3").get_object(Bucket=aws.bucket, Key="k")["Body"].read()

        assert killed.returncode == -signal.SIGKILL
        assert (item, body) == (KEY, b"kept")


def test_moto_still_forgets() -> None:
    with LocalAws() as aws:
        s3, bucket = aws.client("s3"), aws.bucket
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")

        start_moto().reset()

        with pytest.raises(s3.exceptions.NoSuchBucket):
            s3.get_object(Bucket=bucket, Key="k")
