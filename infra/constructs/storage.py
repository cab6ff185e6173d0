"""The data bucket: users' data, and what passes between the control plane and user code."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.findings import accept

TRANSIENT = ("runs/", "reports/", "invocations/", "logs/")
"""Keys of what belongs to one run. Assets, and what the control plane keeps for good, are elsewhere."""


class Storage(Construct):
    def __init__(self, scope: Construct, id: str, *, retention_days: int) -> None:
        super().__init__(scope, id)
        access_log = s3.Bucket(
            self,
            "AccessLog",
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(retention_days))],
            **_CLOSED,
        )
        accept(
            access_log, {"AwsSolutions-S1": "It holds the access log; logging it would not end."}
        )
        self.data = s3.Bucket(
            self,
            "Data",
            versioned=False,
            server_access_logs_bucket=access_log,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id=prefix.rstrip("/"),
                    prefix=prefix,
                    expiration=cdk.Duration.days(retention_days),
                )
                for prefix in TRANSIENT
            ]
            + [
                s3.LifecycleRule(
                    id="unfinished-uploads",
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                )
            ],
            **_CLOSED,
        )


_CLOSED: dict[str, Any] = {
    "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
    "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    "encryption": s3.BucketEncryption.S3_MANAGED,
    "enforce_ssl": True,
    "minimum_tls_version": 1.2,
    "removal_policy": cdk.RemovalPolicy.RETAIN,
}
