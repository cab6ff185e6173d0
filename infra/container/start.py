"""First thing in a stock container: fetch code and libraries from S3, then become the step.

Arguments: the bucket, then the key of each archive.
"""

import os
import sys
import tempfile
import zipfile

import boto3

HOME = "/tmp/tidegate"

bucket, *keys = sys.argv[1:]
s3 = boto3.client("s3")
for key in keys:
    with tempfile.TemporaryFile() as archive:
        s3.download_fileobj(bucket, key, archive)
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(HOME)
os.environ["PYTHONPATH"] = os.pathsep.join((HOME, f"{HOME}/python"))
os.execv(sys.executable, [sys.executable, "-m", "tidegate.execution.container"])
