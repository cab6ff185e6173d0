"""Lambda ``backfill``: drives a backfill on. Invoked asynchronously, by whoever ends one of its runs, so that Lambda retries it."""

from __future__ import annotations

from typing import Any

from tidegate.app.backfills.drive import drive
from tidegate.handlers.environment import services
from tidegate.handlers.observe import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> None:
    logger.append_keys(backfill_id=event["backfill_id"], run_id=event.get("run_id"))
    drive(services(), event)
