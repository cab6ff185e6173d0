"""The data bucket: users' data, and what passes between the control plane and user code."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.findings import accept
from tidegate.domain.settings import Settings

LONGEST = 30
"""Days by which what belongs to a run is kept longer than the run after its end: for those that take long."""


HEARTBEATS = 2
"""Days, from the last one: it is written anew each minute."""


def lives(settings: Settings) -> dict[str, int]:
    """Prefix -> days after which its objects go. Assets, and the rest of ``control/``, stay; see ``docs/state.md``."""
    of_run = settings.run_retention_days + LONGEST
    return {
        "runs/": of_run,
        "reports/": of_run,
        "invocations/": of_run,
        "control/manifests/": of_run,
        "control/mappings/": of_run,
        "control/keys/": of_run,
        "heartbeats/": HEARTBEATS,
        "logs/": settings.event_retention_days,
    }


class Storage(Construct):
    """``retention_days``: of the access log."""

    def __init__(
        self, scope: Construct, id: str, *, settings: Settings, retention_days: int
    ) -> None:
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
                    id=prefix.strip("/").replace("/", "-"),
                    prefix=prefix,
                    expiration=cdk.Duration.days(days),
                )
                for prefix, days in lives(settings).items()
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
