"""Roles made of grants, and of nothing else: what a construct would add to them by itself has no effect."""

from __future__ import annotations

from collections.abc import Callable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from infra.findings import accept_wildcards
from infra.permissions import Grant, Names


class Roles:
    """Makes the roles of one deployment."""

    def __init__(
        self, stack: cdk.Stack, *, prefix: str, data_bucket: s3.Bucket, assets: Asset
    ) -> None:
        self.names = Names(
            prefix=prefix,
            data_bucket=data_bucket.bucket_arn,
            assets=f"arn:{cdk.Aws.PARTITION}:s3:::{assets.s3_bucket_name}/{prefix}",
            partition=cdk.Aws.PARTITION,
            region=cdk.Aws.REGION,
            account=cdk.Aws.ACCOUNT_ID,
        )
        bucket = data_bucket.node.default_child
        assert isinstance(bucket, cdk.CfnElement)
        self._as_findings_show = Names(
            prefix=prefix,
            data_bucket=f"<{stack.get_logical_id(bucket)}.Arn>",
            assets=f"arn:<AWS::Partition>:s3:::cdk-hnb659fds-assets-<AWS::AccountId>-<AWS::Region>/{prefix}",
            partition="<AWS::Partition>",
            region="<AWS::Region>",
            account="<AWS::AccountId>",
        )

    def make(
        self,
        scope: Construct,
        id: str,
        *,
        service: str,
        description: str,
        grants: Callable[[Names], tuple[Grant, ...]],
    ) -> iam.Role:
        """A role for the service, with the grants as its one inline policy."""
        role = iam.Role(
            scope,
            id,
            assumed_by=iam.ServicePrincipal(service),
            description=description,
            inline_policies={
                "Grants": iam.PolicyDocument(
                    statements=[_statement(one) for one in grants(self.names)]
                )
            },
        )
        accept_wildcards(role, grants(self._as_findings_show))
        return role


def _statement(grant: Grant) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=grant.sid,
        effect=iam.Effect.ALLOW if grant.allow else iam.Effect.DENY,
        actions=list(grant.actions),
        resources=list(grant.resources),
        conditions={operator: dict(values) for operator, values in grant.conditions.items()},
    )
