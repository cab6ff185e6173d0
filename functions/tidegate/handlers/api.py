"""Lambda ``api``: answers one request of the CLI or another caller."""

from __future__ import annotations

from typing import Any

from tidegate.app.api.actions import answer
from tidegate.handlers.environment import services
from tidegate.handlers.observe import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return answer(services(), event)
