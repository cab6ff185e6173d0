"""The CDK app. ``CDK_OUTDIR=cdk.out python -m infra.app`` synthesizes it; the CDK's CLI runs the same to deploy."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import aws_cdk as cdk
import cdk_nag

from infra import ROOT
from infra.settings import InfraSettings, SynthError
from infra.stacks.deployment import Deployment
from tidegate.adapters.dynamodb.table import all_tables


def make_app(**arguments: Any) -> cdk.App:
    """The app, with the policy checks that must find nothing.

    ``cdk.json`` holds feature flags that change the template, and only the CLI reads it: so it is read here.

    Raises:
        SynthError: a context value that does not fit, or something to be made first.
    """
    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    context = flags | json.loads(os.environ.get("CDK_CONTEXT_JSON", "{}"))
    app = cdk.App(context=context, analytics_reporting=False, **arguments)
    settings = InfraSettings.read(app.node.try_get_context)
    Deployment(
        app,
        "Tidegate" if settings.prefix == "tidegate" else f"Tidegate-{settings.prefix}",
        settings=settings,
        models=all_tables(),
        build=ROOT / "build",
    )
    cdk.Validations.of(app).add_plugins(
        cdk_nag.AwsSolutionsChecks(app, write_suppressions_to_cloud_formation=True),
        cdk_nag.ServerlessChecks(app),
    )
    return app


def main() -> None:
    try:
        make_app().synth()
    except SynthError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
