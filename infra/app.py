"""The CDK app. ``CDK_OUTDIR=cdk.out python -m infra.app`` synthesizes it; the CDK's CLI runs the same to deploy."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag

from infra import ROOT
from infra.settings import InfraSettings, SynthError, read_context
from infra.stacks.deployment import Deployment
from tidegate.adapters.dynamodb.table import all_tables

BUILD = ROOT / "build"
"""Where ``infra.inputs`` writes."""


def make_app(context: Mapping[str, Any], *, build: Path = BUILD, **arguments: Any) -> cdk.App:
    """The app, without the policy checks.

    Raises:
        SynthError: a context value that does not fit, or something that has to be made first.
    """
    app = cdk.App(context=context, analytics_reporting=False, **arguments)
    settings = InfraSettings.read(app.node.try_get_context)
    suffix = "" if settings.prefix == "tidegate" else f"-{settings.prefix}"
    Deployment(app, f"Tidegate{suffix}", settings=settings, models=all_tables(), build=build)
    return app


def add_checks(app: cdk.App) -> None:
    """Whatever these find, and no resource has acknowledged with a reason, ends the synthesis."""
    cdk.Validations.of(app).add_plugins(
        cdk_nag.AwsSolutionsChecks(app, write_suppressions_to_cloud_formation=True),
        cdk_nag.ServerlessChecks(app),
    )


def main() -> None:
    try:
        app = make_app(read_context())
        add_checks(app)
        app.synth()
    except (SynthError, RuntimeError) as error:
        # A RuntimeError is CDK's: findings, or what a bundling callback raised.
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
