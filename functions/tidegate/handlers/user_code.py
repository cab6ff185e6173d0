"""Lambda ``user-code``: runs one step. It has no access to the control tables, and needs none."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from tidegate.execution.code_location import load_definitions
from tidegate.execution.user_code import handle

if TYPE_CHECKING:
    from tidegate.sdk.definitions import Definitions


@cache
def _definitions() -> Definitions:
    return load_definitions(os.environ["TIDEGATE_DEFINITIONS"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return handle(event, defs=_definitions, bucket=os.environ["TIDEGATE_DATA_BUCKET"])
