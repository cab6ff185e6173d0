"""Lambda ``steps``: the Complete state of the step state machine."""

from __future__ import annotations

from typing import Any

from tidegate.app.steps.complete import complete
from tidegate.handlers.environment import services
from tidegate.handlers.observe import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> None:
    logger.append_keys(run_id=event.get("run_id"))
    complete(services(), event)
