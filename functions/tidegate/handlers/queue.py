"""Lambda ``queue``: admits one run. Invoked asynchronously by submit, so that Lambda retries it."""

from __future__ import annotations

from typing import Any

from tidegate.app.admit import admit
from tidegate.handlers.environment import services
from tidegate.handlers.observe import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> None:
    logger.append_keys(run_id=event["run_id"])
    admit(services(), event["run_id"])
