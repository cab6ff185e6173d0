"""The deployments of an account and region, by the tag that CDK gives to all of a deployment: ``tidegate`` = its prefix."""

from __future__ import annotations

from typing import Any

from tidegate.errors import DeploymentError

TAG = "tidegate"


def api_functions(tagging: Any) -> list[str]:
    """Names of the API functions, ``<prefix>-api``. ``tagging``: client of the Resource Groups Tagging API."""
    found: list[str] = []
    pages = tagging.get_paginator("get_resources").paginate(
        TagFilters=[{"Key": TAG}], ResourceTypeFilters=["lambda:function"]
    )
    for page in pages:
        for one in page["ResourceTagMappingList"]:
            tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
            name = one["ResourceARN"].rpartition(":")[2]
            if name == f"{tags[TAG]}-api":
                found.append(name)
    return sorted(found)


def the_only_one(names: list[str]) -> str | None:
    """None: there is no deployment.

    Raises:
        DeploymentError: there are several.
    """
    if len(names) > 1:
        raise DeploymentError(
            f"Several deployments are here: {', '.join(names)}.",
            mend=f"Name one, as in --target {names[0]}, or set TIDEGATE_TARGET.",
        )
    return names[0] if names else None
