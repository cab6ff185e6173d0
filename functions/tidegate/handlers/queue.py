"""Lambda ``queue``: admits one run, or some, or does what an alarm was set for.

Submit invokes it asynchronously, so Lambda retries it; alarms come from their state machine, which does.
"""

from __future__ import annotations

from typing import Any

from tidegate.app.runs.admit import admit, admit_all
from tidegate.app.upkeep.wake import wake
from tidegate.handlers.environment import services
from tidegate.handlers.observe import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> None:
    logger.append_keys(run_id=event.get("run_id"), task=event.get("kind"))
    if "kind" in event:
        wake(services(), event)
    elif "run_ids" in event:
        admit_all(services(), event["run_ids"])
    else:
        admit(services(), event["run_id"])
