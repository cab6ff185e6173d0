"""Findings of the policy checks that are accepted, each on the resource it is about and with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from constructs import IConstruct

from infra.permissions import Grant

_CHECKED_BY = ("AwsSolutions-IAM5",)


def accept(scope: IConstruct, reasons: Mapping[str, str]) -> None:
    """Accept findings by id on one resource (and what it is made of)."""
    cdk.Validations.of(scope).acknowledge(
        *(cdk.Acknowledgment(id=finding, reason=reason) for finding, reason in reasons.items())
    )


def accept_wildcards(scope: IConstruct, grants: Iterable[Grant]) -> None:
    """Accept the wildcards of grants for the reasons the grants give.

    The grants must have been made with ``infra.iam.shown_names``, which write pseudo parameters as findings do.
    """
    accept(
        scope,
        {
            f"{rule}[Resource::{resource}]": grant.why
            for grant in grants
            for resource in grant.resources
            if "*" in resource and grant.allow
            for rule in _CHECKED_BY
        },
    )
